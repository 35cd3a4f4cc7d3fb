package scheduler

import "time"

// This file deals with slaves that live and don't do what they say. Silence is
// liveness's business; a slave that answers its questions and yet refuses what it
// had offered, or garbles every send, would keep its tasks for ever and be given
// the next one at once.

// doubt keeps a slave from being chosen for a while: for the pause, and twice as
// long each time in a row. Until it has taken something again, it is given one
// attempt at a time.
func (fl *fleet) doubt(s *slaveBook, pause time.Duration, now time.Time) {
	const enough = 16 // doublings
	s.pausedUntil = now.Add(min(pause<<min(s.doubts, enough), fl.c.cfg.ProbeIdle))
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
func (as *attempts) overdue(a *attempt, now time.Time) bool {
	if a.failingSince.IsZero() {
		a.failingSince = now
	}
	return now.Sub(a.failingSince) >= as.c.cfg.SlaveTimeout
}

// forgot takes in that a slave does not have an attempt that it had accepted. No
// good one ever forgets. What does no harm twice is sent again, a few times.
func (as *attempts) forgot(a *attempt, now time.Time) {
	a.forgotten++
	if a.idempotent && a.forgotten < maxForgotten {
		as.requeue(a)
		return
	}
	as.c.fleet.doubt(a.slave, as.c.cfg.SlaveTimeout, now)
	as.giveUp(a, "slave "+a.slave.rec.Name+" accepted it and does not have it any more")
	as.c.fleet.refresh(a.slave, now)
}
