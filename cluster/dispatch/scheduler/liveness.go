package scheduler

import (
	"container/heap"
	"time"

	"github.com/tidwall/btree"

	"muster/fsm"
	"muster/task"
)

// dueHeap orders slaves by when liveness looks at them next.
type dueHeap []*slaveBook

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].dueIndex, h[j].dueIndex = i, j
}

// Push adds a slave; it is for package heap.
func (h *dueHeap) Push(x any) {
	s, _ := x.(*slaveBook)
	s.dueIndex = len(*h)
	*h = append(*h, s)
}

// Pop takes the last slave off; it is for package heap.
func (h *dueHeap) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	s.dueIndex = -1
	return s
}

// liveness tells which slaves live.
type liveness struct {
	c    *Core
	dues dueHeap
	// refusing are the slaves whose port refused twice, by their place in the order.
	refusing  btree.Map[uint64, *slaveBook]
	witnesses witnesses
}

// schedule sets when liveness looks at a slave next.
func (lv *liveness) schedule(s *slaveBook, now time.Time) {
	s.due = lv.nextLook(s, now)
	switch {
	case s.due.IsZero() && s.dueIndex >= 0:
		heap.Remove(&lv.dues, s.dueIndex)
	case s.due.IsZero():
	case s.dueIndex >= 0:
		heap.Fix(&lv.dues, s.dueIndex)
	default:
		heap.Push(&lv.dues, s)
	}
}

// nextLook is the earliest time at which something about the slave changes by
// itself; zero for never.
func (lv *liveness) nextLook(s *slaveBook, now time.Time) time.Time {
	if !s.askable() {
		return time.Time{}
	}
	var next time.Time
	if !s.lane.probe { // otherwise it is in line already
		next = lv.nextProbe(s)
	}
	earlier := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if !s.silentSince.IsZero() {
		earlier(s.silentSince.Add(lv.c.cfg.SlaveTimeout))
	}
	if !s.staleSince.IsZero() {
		earlier(s.staleSince.Add(lv.c.cfg.SlaveTimeout))
	}
	if len(s.lane.queue) > 0 {
		earlier(s.lane.retryAt)
	}
	earlier(s.pausedUntil)
	if !s.knockAt.IsZero() && (next.IsZero() || s.knockAt.Before(next)) {
		next = s.knockAt
	}
	if s.heard.Free <= 0 && !s.heardAt.IsZero() {
		earlier(s.heardAt.Add(lv.c.cfg.QuestionTTL))
	}
	return next
}

// nextProbe is when the slave is to be asked for a sign of life.
func (lv *liveness) nextProbe(s *slaveBook) time.Time {
	next := s.seenAt.Add(lv.c.cfg.ProbeIdle)
	switch {
	case s.rec.State == task.SlaveLost:
		// It may wake. The longer it was silent, the seldomer it is asked.
		last := later(s.seenAt, s.probedAt)
		return last.Add(min(max(last.Sub(s.seenAt), lv.c.cfg.SlaveTimeout), lv.c.cfg.ProbeIdle))
	case !s.silentSince.IsZero() || !s.staleSince.IsZero():
		next = s.failedAt.Add(lv.c.cfg.ProbeBusy)
	case s.busy():
		next = s.seenAt.Add(lv.c.cfg.ProbeBusy)
	}
	if again := s.probedAt.Add(lv.c.cfg.SendTimeout); again.After(next) {
		return again // one is wanted already, or under way
	}
	return next
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// busy tells whether the slave has attempts, by the books or by its own word.
func (s *slaveBook) busy() bool { return len(s.held) > 0 || s.heard.Free < s.heard.Slots }

// askable tells whether there is somebody who may answer.
func (s *slaveBook) askable() bool { return s.rec.State != task.SlaveLeft && s.ending == 0 }

// lookAtDue handles all slaves whose time has come.
func (lv *liveness) lookAtDue(now time.Time) {
	for len(lv.dues) > 0 && !lv.dues[0].due.After(now) {
		s := lv.dues[0]
		heap.Pop(&lv.dues)
		lv.look(s, now)
	}
}

func (lv *liveness) look(s *slaveBook, now time.Time) {
	if !s.silentSince.IsZero() && now.Sub(s.silentSince) >= lv.c.cfg.SlaveTimeout {
		lv.lose(s, "slave "+s.rec.Name+" was silent for "+lv.c.cfg.SlaveTimeout.String(), now)
		return
	}
	if !s.staleSince.IsZero() && now.Sub(s.staleSince) >= lv.c.cfg.SlaveTimeout {
		lv.lose(s, "slave "+s.rec.Name+" took every request for an old one for "+lv.c.cfg.SlaveTimeout.String(), now)
		return
	}
	if !s.knockAt.IsZero() && !s.knockAt.After(now) {
		s.lane.knock, s.knockAt = true, time.Time{}
	}
	if !lv.nextProbe(s).After(now) {
		s.lane.probe = true
		s.probedAt = now
	}
	lv.c.outbox.touch(s)
	lv.c.fleet.refresh(s, now)
}

// reported takes in a slave's word that it sent by itself. A lost one that does
// so is asked at once whether it lives.
func (lv *liveness) reported(s *slaveBook, a task.Availability, now time.Time) {
	again := now.Sub(s.probedAt) >= lv.c.cfg.ProbeBusy
	lv.c.fleet.hear(s, a, now)
	if s.rec.State == task.SlaveLost && a.Incarnation == s.rec.Incarnation && again {
		s.lane.probe, s.probedAt = true, now
		lv.c.outbox.touch(s)
	}
}

// revive registers a lost slave again that turned out to live: it was paused, or
// cut off, and may not know that it was given up.
func (lv *liveness) revive(s *slaveBook, a task.Availability, now time.Time) {
	rec := s.rec
	again := task.Registration{
		Name: rec.Name, URL: rec.URL, Slots: rec.Slots, Incarnation: rec.Incarnation, Kinds: rec.Kinds, Labels: rec.Labels, Version: rec.Version,
	}
	lv.c.out.note(Info, "a lost slave lives", "slave", rec.Name)
	lv.c.fleet.register(nil, again, a, now)
}

// lose proposes that a slave's incarnation is gone. Until that is settled,
// nothing is sent to it.
func (lv *liveness) lose(s *slaveBook, reason string, now time.Time) {
	if s.ending > 0 {
		return
	}
	lv.ends(s, now)
	place := fsm.Place{Slave: s.rec.Name, Incarnation: s.rec.Incarnation}
	lv.c.out.note(Info, "losing a slave", "slave", place.Slave, "reason", reason, "attempts", len(s.held))
	lv.c.log.propose(fsm.LoseSlave{Place: place, Reason: reason, Begun: s.begun()}, losing{s, place})
}

// losing is the loss of a slave on its way into the log.
type losing struct {
	s     *slaveBook
	place fsm.Place
}

func (f losing) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	if err != nil {
		c.out.note(Warn, "could not record the loss of a slave", "slave", f.place.Slave, "error", err)
		f.s.failedAt = now
	}
	c.liveness.ended(f.s, now)
}

// ends notes that a command that ends the slave's incarnation is proposed: it
// names the attempts that have begun, so none may begin from now on.
func (lv *liveness) ends(s *slaveBook, now time.Time) {
	s.ending++
	lv.c.fleet.refresh(s, now)
}

// ended takes in that such a command was applied or refused.
func (lv *liveness) ended(s *slaveBook, now time.Time) {
	s.ending--
	lv.c.fleet.refresh(s, now)
	lv.c.outbox.touch(s)
}
