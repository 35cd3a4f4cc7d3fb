package scheduler

import "time"

// This file deals with slaves that live and don't do what they say. Silence is
// liveness's business; a slave that answers its questions and yet refuses what it
// had offered, or garbles every send, would keep its tasks for ever and be given
// the next one at once.

// doubt keeps a slave from being chosen for a while: for the pause, and twice as
// long each time in a row. Until it has taken something again, it is given one
// attempt at a time.
func (c *Core) doubt(s *slaveBook, pause time.Duration, now time.Time) {
	const enough = 16 // doublings
	s.pausedUntil = now.Add(min(pause<<min(s.doubts, enough), c.cfg.ProbeIdle))
	s.doubts++
}

// trust ends all doubts: the slave took what was sent.
func (s *slaveBook) trust() { s.doubts, s.pausedUntil = 0, time.Time{} }

// hesitates tells whether the slave has to show first that it takes what it is
// sent already.
func (s *slaveBook) hesitates() bool {
	failing := s.sending > 0 && s.lane.backoff > 0
	return failing || s.doubts > 0 && s.unsettled() > 0
}

// overdue tells whether the sends of an attempt have been failing for so long
// that it is given up. now is the time of the latest failure.
func (c *Core) overdue(a *attempt, now time.Time) bool {
	if a.failingSince.IsZero() {
		a.failingSince = now
	}
	return now.Sub(a.failingSince) >= c.cfg.SlaveTimeout
}

// forgot takes in that a slave does not have an attempt that it had accepted. No
// good one ever forgets. What does no harm twice is sent again, a few times.
func (c *Core) forgot(a *attempt, now time.Time) {
	a.forgotten++
	if a.idempotent && a.forgotten < maxForgotten {
		c.requeue(a)
		return
	}
	c.doubt(a.slave, c.cfg.SlaveTimeout, now)
	c.giveUp(a, "slave "+a.slave.rec.Name+" accepted it and does not have it any more")
	c.refresh(a.slave, now)
}
