package scheduler

import (
	"container/heap"
	"time"

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

// schedule sets when liveness looks at a slave next.
func (c *Core) schedule(s *slaveBook, now time.Time) {
	s.due = c.nextLook(s, now)
	switch {
	case s.due.IsZero() && s.dueIndex >= 0:
		heap.Remove(&c.dues, s.dueIndex)
	case s.due.IsZero():
	case s.dueIndex >= 0:
		heap.Fix(&c.dues, s.dueIndex)
	default:
		heap.Push(&c.dues, s)
	}
}

// nextLook is the earliest time at which something about the slave changes by
// itself; zero for never.
func (c *Core) nextLook(s *slaveBook, now time.Time) time.Time {
	if !s.askable() {
		return time.Time{}
	}
	var next time.Time
	if !s.lane.probe { // otherwise it is in line already
		next = c.nextProbe(s)
	}
	earlier := func(t time.Time) {
		if t.After(now) && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if !s.silentSince.IsZero() {
		earlier(s.silentSince.Add(c.cfg.SlaveTimeout))
	}
	if !s.staleSince.IsZero() {
		earlier(s.staleSince.Add(c.cfg.SlaveTimeout))
	}
	if len(s.lane.queue) > 0 {
		earlier(s.lane.retryAt)
	}
	earlier(s.pausedUntil)
	if !s.knockAt.IsZero() && (next.IsZero() || s.knockAt.Before(next)) {
		next = s.knockAt
	}
	if s.heard.Free <= 0 && !s.heardAt.IsZero() {
		earlier(s.heardAt.Add(c.cfg.QuestionTTL))
	}
	return next
}

// nextProbe is when the slave is to be asked for a sign of life.
func (c *Core) nextProbe(s *slaveBook) time.Time {
	next := s.seenAt.Add(c.cfg.ProbeIdle)
	switch {
	case s.rec.State == task.SlaveLost:
		// It may wake. The longer it was silent, the seldomer it is asked.
		last := later(s.seenAt, s.probedAt)
		return last.Add(min(max(last.Sub(s.seenAt), c.cfg.SlaveTimeout), c.cfg.ProbeIdle))
	case !s.silentSince.IsZero() || !s.staleSince.IsZero():
		next = s.failedAt.Add(c.cfg.ProbeBusy)
	case s.busy():
		next = s.seenAt.Add(c.cfg.ProbeBusy)
	}
	if again := s.probedAt.Add(c.cfg.SendTimeout); again.After(next) {
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
func (c *Core) lookAtDue(now time.Time) {
	for len(c.dues) > 0 && !c.dues[0].due.After(now) {
		s := c.dues[0]
		heap.Pop(&c.dues)
		c.look(s, now)
	}
}

func (c *Core) look(s *slaveBook, now time.Time) {
	if !s.silentSince.IsZero() && now.Sub(s.silentSince) >= c.cfg.SlaveTimeout {
		c.lose(s, "slave "+s.rec.Name+" was silent for "+c.cfg.SlaveTimeout.String(), now)
		return
	}
	if !s.staleSince.IsZero() && now.Sub(s.staleSince) >= c.cfg.SlaveTimeout {
		c.lose(s, "slave "+s.rec.Name+" took every request for an old one for "+c.cfg.SlaveTimeout.String(), now)
		return
	}
	if !s.knockAt.IsZero() && !s.knockAt.After(now) {
		s.lane.knock, s.knockAt = true, time.Time{}
	}
	if !c.nextProbe(s).After(now) {
		s.lane.probe = true
		s.probedAt = now
	}
	c.touch(s)
	c.refresh(s, now)
}

// reported takes in a slave's word that it sent by itself. A lost one that does
// so is asked at once whether it lives.
func (c *Core) reported(s *slaveBook, a task.Availability, now time.Time) {
	again := now.Sub(s.probedAt) >= c.cfg.ProbeBusy
	c.hear(s, a, now)
	if s.rec.State == task.SlaveLost && a.Incarnation == s.rec.Incarnation && again {
		s.lane.probe, s.probedAt = true, now
		c.touch(s)
	}
}

// revive registers a lost slave again that turned out to live: it was paused, or
// cut off, and may not know that it was given up.
func (c *Core) revive(s *slaveBook, a task.Availability, now time.Time) {
	rec := s.rec
	again := task.Registration{
		Name: rec.Name, URL: rec.URL, Slots: rec.Slots, Incarnation: rec.Incarnation, Kinds: rec.Kinds, Labels: rec.Labels, Version: rec.Version,
	}
	c.note(Info, "a lost slave lives", "slave", rec.Name)
	c.Register(nil, again, a, now)
}

// lose proposes that a slave's incarnation is gone. Until that is settled,
// nothing is sent to it.
func (c *Core) lose(s *slaveBook, reason string, now time.Time) {
	if s.ending > 0 {
		return
	}
	c.ends(s, now)
	place := fsm.Place{Slave: s.rec.Name, Incarnation: s.rec.Incarnation}
	c.note(Info, "losing a slave", "slave", place.Slave, "reason", reason, "attempts", len(s.held))
	c.propose(fsm.LoseSlave{Place: place, Reason: reason, Begun: s.begun()}, losing{s, place})
}

// losing is the loss of a slave on its way into the log.
type losing struct {
	s     *slaveBook
	place fsm.Place
}

func (f losing) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	if err != nil {
		c.note(Warn, "could not record the loss of a slave", "slave", f.place.Slave, "error", err)
		f.s.failedAt = now
	}
	c.ended(f.s, f.place.Incarnation, now)
}

// ends notes that a command that ends the slave's incarnation is proposed: it
// names the attempts that have begun, so none may begin from now on.
func (c *Core) ends(s *slaveBook, now time.Time) {
	s.ending++
	c.refresh(s, now)
}

// ended takes in that such a command was applied or refused.
func (c *Core) ended(s *slaveBook, incarnation string, now time.Time) {
	if s.rec.Incarnation == incarnation {
		s.ending = max(0, s.ending-1)
		c.refresh(s, now)
		c.touch(s)
	}
}
