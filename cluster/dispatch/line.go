package dispatch

import (
	"slices"
	"time"

	"github.com/tidwall/btree"

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
	submits     []*submit
	yields      bool // in this plan: the first submit has to let a pending task go first
}

// seeker looks for a slave: it asks one after the other, in registration order.
type seeker struct {
	class   *class
	after   uint64     // order of the last slave that it was done with
	at      *slaveBook // whose word it waits for
	since   time.Time  // waiting for it since
	waited  *slaveBook // whose word it last waited for
	offered *slaveBook // who answered its own question with a free slot
	yields  bool       // to pending tasks of other classes that look for a slave
	again   *slaveBook // who was asked twice, because a newer request overtook the first question
	tell    *dialogue  // what was asked and answered, if somebody wants to know
}

// verdict is what a seeker came to.
type verdict uint8

const (
	seeking  verdict = iota // waits for a slave's word
	found                   // has a slot reserved
	nowhere                 // no slave has a free slot
	yielding                // a pending task may have that slot, and is not done asking
)

// serveLines moves every line as far as it goes: pending tasks of all classes in
// their order, then submits by arrival.
func (c *core) serveLines(now time.Time) {
	for c.servePending(now) {
	}
	for _, cl := range c.classes {
		cl.line.yields = false
	}
	for c.serveSubmits(now) {
	}
}

// servePending moves the first pending task that can be moved, then the next, and
// tells whether it should be called again.
func (c *core) servePending(now time.Time) bool {
	var queue agenda[turn]
	for _, cl := range c.classes {
		if t, ok := cl.line.movablePending(now); ok {
			queue.add(t, cl)
		}
	}
	queue.order(turn.before)
	c.woken = false
	for !queue.empty() && !c.woken {
		first, cl := queue.first()
		c.movePending(cl, first, now)
		next, ok := cl.line.movablePending(now)
		queue.replaceFirst(next, ok)
	}
	return c.woken // what was woken has to find its place among the others
}

// movePending takes the first pending task of a class as far as it goes.
func (c *core) movePending(cl *class, first turn, now time.Time) {
	c.about = blame{task: first.id}
	l := &cl.line
	l.parkedUntil = time.Time{}
	if l.head == nil {
		l.head = &seeker{class: cl}
	}
	s, v := c.seek(l.head, now)
	switch v {
	case found:
		l.head = nil
		l.pending.leave(first)
		c.assign(first.id, s, now)
	case nowhere:
		l.head, l.parkedUntil = nil, now.Add(parkPause)
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
func (c *core) unpark(s *slaveBook) {
	for _, cl := range s.classes {
		c.woken = c.woken || !cl.line.parkedUntil.IsZero()
		cl.line.parkedUntil = time.Time{}
	}
}

// serveSubmits moves the earliest submit that can be moved, then the next, and
// tells whether it should be called again.
func (c *core) serveSubmits(now time.Time) bool {
	var queue agenda[uint64]
	for _, cl := range c.classes {
		if s := cl.line.movableSubmit(); s != nil {
			queue.add(s.arrival, cl)
		}
	}
	queue.order(func(a, b uint64) bool { return a < b })
	moved := !queue.empty()
	for !queue.empty() {
		_, cl := queue.first()
		c.moveSubmit(cl.line.submits[0], now)
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
func (l *line) movableSubmit() *submit {
	if len(l.submits) == 0 || l.submits[0].seeker.at != nil {
		return nil
	}
	if s := l.submits[0]; l.head == nil && !l.yields || l.takes(s) {
		return s
	}
	return nil // a pending task is still asking
}

// moveSubmit takes a submit as far as it goes.
func (c *core) moveSubmit(first *submit, now time.Time) {
	c.about = blame{submit: first}
	if first.seeker.class.line.takes(first) {
		c.noSlot(first, now)
		return
	}
	s, v := c.seek(&first.seeker, now)
	switch v {
	case found:
		c.leaveLine(first)
		c.record(first, s, now)
	case nowhere:
		c.noSlot(first, now)
	case yielding:
		first.seeker.class.line.yields = true
	case seeking:
	}
}

// takes tells whether a submit joins the pending tasks without asking: it may not
// start yet, or others wait, so that it would find nothing.
func (l *line) takes(s *submit) bool { return s.delayed || s.Queue && l.pending.len() > 0 }

// seek takes a seeker to the next slave that has a slot for it, or has to be
// asked.
func (c *core) seek(k *seeker, now time.Time) (*slaveBook, verdict) {
	if s := k.offered; s != nil {
		if k.yields && s.wanted() {
			return nil, yielding
		}
		k.offered = nil
		if first := s.earliest(k); first != k {
			c.release(s, first)
			first.offered, c.woken = s, true
			c.await(k, s, now)
			k.since = now
			return nil, seeking
		}
		if s.choosable(now) && s.free() > 0 && s.credit > 0 {
			c.reserve(s, now)
			k.tell.add(s, task.AnswerAvailable, task.FromSlave)
			return s, found
		}
		k.after = s.rec.Order // promised to another task
	}
	set := &k.class.candidates
	if c.literal() {
		set = &k.class.alive
	}
	for {
		s := nextAfter(set, k.after)
		if s == nil {
			return nil, nowhere
		}
		switch c.word(s, now) {
		case wordFree:
			if k.yields && s.wanted() {
				return nil, yielding
			}
			c.reserve(s, now)
			k.tell.add(s, task.AnswerAvailable, k.source(s))
			return s, found
		case wordAsk:
			c.await(k, s, now)
			return nil, seeking
		case wordFull:
			k.after = s.rec.Order
		}
	}
}

// wanted tells whether a pending task that the slave could run is looking for a
// slave.
func (s *slaveBook) wanted() bool {
	return slices.ContainsFunc(s.classes, func(cl *class) bool { return cl.line.head != nil })
}

// await has a seeker wait for the slave's word.
func (c *core) await(k *seeker, s *slaveBook, now time.Time) {
	if k.waited != s {
		k.since = now
	}
	k.at, k.waited = s, s
	s.lane.askers = append(s.lane.askers, k)
	c.touch(s)
}

// source tells whether what is known of the slave came as the answer to this
// seeker's question.
func (k *seeker) source(s *slaveBook) string {
	if k.waited == s {
		return task.FromSlave
	}
	return task.FromBooks
}

// nextAfter returns the first slave of the set behind the place in the order.
func nextAfter(set *btree.Map[uint64, *slaveBook], after uint64) *slaveBook {
	var found *slaveBook
	set.Ascend(after+1, func(_ uint64, s *slaveBook) bool {
		found = s
		return false
	})
	return found
}

// answerAll lets all go on who waited for the slave's word.
func (c *core) answerAll(s *slaveBook) {
	if !s.heard.Available() {
		for _, k := range s.lane.askers {
			k.tell.add(s, s.heard.Answer(), task.FromSlave)
		}
	}
	c.release(s, nil)
}

// resolve lets the one go on that asked the slave. With a ttl it went on when the
// word was heard, with all others who waited for it.
func (c *core) resolve(s *slaveBook, r request) {
	k := r.asker
	if k == nil || k.at != s {
		return
	}
	c.release(s, k)
	if s.heard.Available() {
		k.offered = s
		return
	}
	k.tell.add(s, task.AnswerNotAvailable, task.FromSlave)
	k.after = s.rec.Order
}

// earliest returns who gets the slot that the slave offered to k: of the pending
// tasks that wait for its word, the one whose turn is first. The others ask again.
func (s *slaveBook) earliest(k *seeker) *seeker {
	if k.yields {
		return k // a submit, which yields to all of them
	}
	least, _ := k.class.line.pending.first()
	for _, cl := range s.classes {
		if h := cl.line.head; h != nil && h.at == s {
			if t, ok := cl.line.pending.first(); ok && t.before(least) {
				k, least = h, t
			}
		}
	}
	return k
}

// resolveSilent lets those go on to the next slave who waited for one that did
// not answer.
func (c *core) resolveSilent(s *slaveBook, r request) {
	passed := s.lane.askers
	if c.literal() {
		if r.asker == nil || r.asker.at != s {
			return
		}
		passed = []*seeker{r.asker}
	}
	for _, k := range slices.Clone(passed) { // passBy takes them out of the lane, one by one
		c.passBy(k)
	}
}

// askAgain has the one who asked the slave ask once more, and tells whether it
// does: its question was overtaken.
func (c *core) askAgain(s *slaveBook, r request) bool {
	k := r.asker
	if k == nil || k.at != s || k.again == s {
		return false
	}
	k.again = s
	return true // it is still in the lane
}

// passBy has a seeker stop waiting for a slave and count it as silent.
func (c *core) passBy(k *seeker) {
	s := k.at
	c.release(s, k)
	s.passed = true
	k.tell.add(s, "", task.FromSlave)
	k.after = s.rec.Order
}

// release has one seeker, or all if k is nil, wait no longer for the slave.
func (c *core) release(s *slaveBook, k *seeker) {
	s.lane.askers = slices.DeleteFunc(s.lane.askers, func(o *seeker) bool {
		if k != nil && o != k {
			return false
		}
		o.at = nil
		return true
	})
}

// askGrace is how much longer than one question a seeker waits for a slave: the
// question may have to wait for another request to the same slave first.
const askGrace = 50 * time.Millisecond

// passSilent has the heads of the lines stop waiting when a slave's time is up.
func (c *core) passSilent(now time.Time) {
	for _, cl := range c.classes {
		for _, k := range cl.line.heads() {
			if k.at != nil && !now.Before(k.since.Add(c.cfg.QuestionTimeout+askGrace)) {
				c.passBy(k)
			}
		}
	}
}

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

// nextWake is when plan has to run again without an input; zero for never.
func (c *core) nextWake() time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if len(c.dues) > 0 {
		earlier(c.dues[0].due)
	}
	if step := c.pacer.wake(); !step.IsZero() {
		earlier(step)
	}
	if c.witnesses.wanted {
		earlier(c.witnesses.sought.Add(witnessGap))
	}
	if !c.sweeper.busy {
		earlier(c.sweeper.next)
	}
	earlier(c.nextPurge)
	for _, until := range c.aside {
		earlier(until)
	}
	if next, some := c.overruns.set.Min(); some && c.overruns.ending < maxOverrun {
		earlier(next.at)
	}
	if !c.moments.wake.IsZero() {
		earlier(c.moments.wake)
	}
	for _, cl := range c.classes {
		l := &cl.line
		if !l.parkedUntil.IsZero() && l.pending.len() > 0 {
			earlier(l.parkedUntil)
		}
		for _, k := range l.heads() {
			if k.at != nil {
				earlier(k.since.Add(c.cfg.QuestionTimeout + askGrace))
			}
		}
	}
	return next
}

// addPending puts a pending task into its line, when it is ready.
func (c *core) addPending(t *task.Task) {
	if _, aside := c.aside[t.ID]; aside || c.delay(t) {
		return
	}
	l := &c.class(&t.Spec).line
	l.pending.add(turn{t.Spec.Priority, t.ID})
	l.parkedUntil = time.Time{}
}

// dropPending takes a task that waits no longer out of its line.
func (c *core) dropPending(t *task.Task) {
	if c.undelay(t) {
		return
	}
	cl := c.classes[keyOf(&t.Spec)]
	if cl == nil {
		return
	}
	l := &cl.line
	own := turn{t.Spec.Priority, t.ID}
	first, _ := l.pending.first()
	if l.pending.remove(own) && first == own && l.head != nil {
		if l.head.at != nil {
			c.release(l.head.at, l.head)
		}
		l.head = nil // what it was told serves the next in line, as a word that is fresh
	}
}

// assign proposes that a pending task goes to the slave.
func (c *core) assign(id task.ID, s *slaveBook, now time.Time) {
	t, ok := c.view().Task(id)
	if !ok || t.Status != task.Pending {
		c.unreserve(s, now)
		return
	}
	at := task.Attempt{ID: id, Attempt: t.Attempt + 1, Slave: s.rec.Name, Incarnation: s.rec.Incarnation}
	c.propose(fsm.AssignTask{Attempt: at}, func(_ fsm.Outcome, err error, now time.Time) {
		c.unreserve(s, now)
		c.confirm(s, at, now)
		if err == nil {
			return
		}
		if t, ok := c.view().Task(id); ok && t.Status == task.Pending && !c.stopped {
			c.addPending(&t)
		}
	})
}

// confirm takes over an assignment that was committed, unless the state has
// already moved on.
func (c *core) confirm(s *slaveBook, at task.Attempt, now time.Time) {
	t, ok := c.view().Task(at.ID)
	if !ok {
		return
	}
	if cur, running := t.Current(); running && cur == at && c.attempts[at.ID] == nil && s.rec.Incarnation == at.Incarnation {
		c.addAttempt(s, &t, false, now)
	}
}
