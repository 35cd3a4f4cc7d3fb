package scheduler

import (
	"cmp"
	"slices"
	"time"

	"muster/fsm"
	"muster/task"
)

// line is who waits for a slave of one class: the pending tasks, then the submits by
// arrival. Only the first of the line asks slaves; its answers serve
// those behind it. A new task can thus never take a slot that a waiting one can
// use.
type line struct {
	pending pendingTasks
	head    *seeker // the first pending task, looking for a slave
	// parkedUntil is when the first pending task, which found no slave, looks
	// again without a cause; zero: at once. A slot that becomes free wakes it.
	parkedUntil time.Time
	// missed: since the head began to look, a slot became free, perhaps with a slave
	// that it was done with. Before it parks it looks again, or a new task would get it.
	missed  bool
	submits []*Submit
	yields  bool // in this plan: the first submit has to let a pending task go first
}

// lines are all who wait for a slave, and how they find one.
type lines struct {
	c        *Core
	waiting  int    // submits in line
	arrivals uint64 // numbers submits
	woken    bool   // a line may have become movable since this was last false
	suspects Suspects
}

// serve moves every line as far as it goes: pending tasks of all classes in
// their order, then submits by arrival.
func (ls *lines) serve(now time.Time) {
	for ls.servePending(now) {
	}
	for _, cl := range ls.c.classes.all {
		cl.line.yields = false
	}
	for ls.serveSubmits(now) {
	}
}

// servePending moves the first pending task that can be moved, then the next, and
// tells whether it should be called again.
func (ls *lines) servePending(now time.Time) bool {
	var queue agenda[turn]
	for _, cl := range ls.c.classes.all {
		if t, ok := cl.line.movablePending(now); ok {
			queue.add(t, cl)
		}
	}
	queue.order(turn.before)
	ls.woken = false
	for !queue.empty() && !ls.woken {
		first, cl := queue.first()
		ls.movePending(cl, first, now)
		next, ok := cl.line.movablePending(now)
		queue.replaceFirst(next, ok)
	}
	return ls.woken // what was woken has to find its place among the others
}

// movePending takes the first pending task of a class as far as it goes.
func (ls *lines) movePending(cl *class, first turn, now time.Time) {
	ls.c.about = Blame{Task: first.id}
	l := &cl.line
	l.parkedUntil = time.Time{}
	if l.head == nil {
		l.head, l.missed = &seeker{class: cl}, false
	}
	s, v := ls.seek(l.head, now)
	switch v {
	case found:
		l.head = nil
		l.pending.leave(first)
		ls.assign(first.id, s, now)
	case nowhere:
		if l.head = nil; !l.missed {
			l.parkedUntil = now.Add(parkPause)
		}
	case seeking, yielding:
	}
}

// movablePending returns the first pending task, if it may have somewhere to go.
func (l *line) movablePending(now time.Time) (turn, bool) {
	if !l.movable(now) {
		return turn{}, false
	}
	return l.pending.first()
}

// movable tells whether the first pending task may have somewhere to go.
func (l *line) movable(now time.Time) bool {
	return !now.Before(l.parkedUntil) && (l.head == nil || l.head.at == nil)
}

// unpark wakes the pending tasks that the slave could run.
func (ls *lines) unpark(s *slaveBook) {
	for _, cl := range s.classes {
		ls.woken = ls.woken || !cl.line.parkedUntil.IsZero()
		cl.line.parkedUntil, cl.line.missed = time.Time{}, true
	}
}

// serveSubmits moves the earliest submit that can be moved, then the next, and
// tells whether it should be called again.
func (ls *lines) serveSubmits(now time.Time) bool {
	var queue agenda[uint64]
	for _, cl := range ls.c.classes.all {
		if s := cl.line.movableSubmit(); s != nil {
			queue.add(s.arrival, cl)
		}
	}
	queue.order(func(a, b uint64) bool { return a < b })
	moved := !queue.empty()
	for !queue.empty() {
		_, cl := queue.first()
		ls.moveSubmit(cl.line.submits[0], now)
		var next uint64
		s := cl.line.movableSubmit()
		if s != nil {
			next = s.arrival
		}
		queue.replaceFirst(next, s != nil)
	}
	return moved
}

// movableSubmit returns the first submit, if it may have somewhere to go.
func (l *line) movableSubmit() *Submit {
	if len(l.submits) == 0 || l.submits[0].seeker.at != nil {
		return nil
	}
	if s := l.submits[0]; l.head == nil && !l.yields || l.takes(s) {
		return s
	}
	return nil // a pending task is still asking
}

// moveSubmit takes a submit as far as it goes.
func (ls *lines) moveSubmit(first *Submit, now time.Time) {
	ls.c.about = Blame{Submit: first}
	if first.seeker.class.line.takes(first) {
		ls.c.desk.noSlot(first, now)
		return
	}
	s, v := ls.seek(&first.seeker, now)
	switch v {
	case found:
		ls.leaveLine(first)
		ls.c.desk.record(first, s, now)
	case nowhere:
		ls.c.desk.noSlot(first, now)
	case yielding:
		first.seeker.class.line.yields = true
	case seeking:
	}
}

// takes tells whether a submit joins the pending tasks without asking: it may not
// start yet, or others wait, so that it would find nothing.
func (l *line) takes(s *Submit) bool { return s.delayed || s.Queue && l.pending.len() > 0 }

// heads are the seekers that may be waiting for a word.
func (l *line) heads() []*seeker {
	var out []*seeker
	if l.head != nil {
		out = append(out, l.head)
	}
	if len(l.submits) > 0 {
		out = append(out, &l.submits[0].seeker)
	}
	return out
}

// addPending puts a pending task into its line, when it is ready.
func (ls *lines) addPending(t *task.Task) {
	if _, aside := ls.suspects.Tasks[t.ID]; aside || ls.c.moments.delay(t) {
		return
	}
	l := &ls.c.classes.class(&t.Spec).line
	l.pending.add(turn{t.Spec.Priority, t.ID})
	l.parkedUntil = time.Time{}
}

// dropPending takes a task that waits no longer out of its line.
func (ls *lines) dropPending(t *task.Task) {
	if ls.c.moments.undelay(t) {
		return
	}
	cl := ls.c.classes.all[keyOf(&t.Spec)]
	if cl == nil {
		return
	}
	l := &cl.line
	own := turn{t.Spec.Priority, t.ID}
	first, _ := l.pending.first()
	if l.pending.remove(own) && first == own && l.head != nil {
		if l.head.at != nil {
			ls.release(l.head.at, l.head)
		}
		l.head = nil // what it was told serves the next in line, as a word that is fresh
	}
}

// assign proposes that a pending task goes to the slave.
func (ls *lines) assign(id task.ID, s *slaveBook, now time.Time) {
	t, ok := ls.c.view.Task(id)
	if !ok || t.Status != task.Pending {
		ls.c.fleet.unreserve(s, now)
		return
	}
	at := task.Attempt{ID: id, Attempt: t.Attempt + 1, Slave: s.rec.Name, Incarnation: s.rec.Incarnation}
	ls.c.log.propose(fsm.AssignTask{Attempt: at}, assigning{s, at})
}

// assigning is an assignment of a pending task on its way into the log.
type assigning struct {
	on *slaveBook
	at task.Attempt
}

func (f assigning) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	c.fleet.unreserve(f.on, now)
	c.lines.confirm(f.on, f.at, now)
	if err == nil {
		return
	}
	if t, ok := c.view.Task(f.at.ID); ok && t.Status == task.Pending && !c.stopped {
		c.lines.addPending(&t)
	}
}

// confirm takes over an assignment that was committed, unless the state has
// already moved on.
func (ls *lines) confirm(s *slaveBook, at task.Attempt, now time.Time) {
	t, ok := ls.c.view.Task(at.ID)
	if !ok {
		return
	}
	if cur, running := t.Current(); running && cur == at && ls.c.attempts.all[at.ID] == nil && s.rec.Incarnation == at.Incarnation {
		ls.c.attempts.addAttempt(s, &t, false, now)
	}
}

// enterLine puts a submit into its line, by when it came the first time.
func (ls *lines) enterLine(s *Submit) {
	if s.arrival == 0 {
		ls.arrivals++
		s.arrival = ls.arrivals
	}
	s.seeker = seeker{class: s.seeker.class, yields: true}
	if s.Explain {
		s.seeker.tell = &dialogue{}
	}
	l := &s.seeker.class.line
	at, _ := slices.BinarySearchFunc(l.submits, s, byArrival)
	l.submits = slices.Insert(l.submits, at, s)
	s.inLine = true
	ls.waiting++
}

func byArrival(a, b *Submit) int { return cmp.Compare(a.arrival, b.arrival) }

// leaveLine takes a submit out of its line.
func (ls *lines) leaveLine(s *Submit) {
	l := &s.seeker.class.line
	if at, ok := slices.BinarySearchFunc(l.submits, s, byArrival); ok {
		if at == 0 {
			l.submits[0] = nil
			l.submits = l.submits[1:]
		} else {
			l.submits = slices.Delete(l.submits, at, at+1)
		}
	}
	if s.seeker.at != nil {
		ls.release(s.seeker.at, &s.seeker)
	}
	s.inLine = false
	ls.waiting--
}
