package scheduler

import (
	"errors"
	"time"

	"muster/task"
)

// This file tells a slave whose process has ended from one that is only silent. A
// machine refuses connections to a port at which nobody listens; one that is hung,
// starved or cut off leaves them without an answer. So a slave that has attempts is
// dead, and not waited for until it was silent for the whole time-out, when
//
//   - its port refused a new connection,
//   - and again knockGap later, with nothing else in between,
//   - and then another slave, a witness, answered on a new connection: so it is not
//     this machine that can't reach anybody, and there is somebody to take the tasks.
//
// The first look has a cause: a connection to the slave broke, or a request failed.
// Nobody is asked for it at intervals.

const (
	// knockGap is the least time between the two refusals. What restarts within it,
	// or a proxy that loads its configuration, is there again at the second.
	knockGap = 300 * time.Millisecond
	// maxUnclear is how often a first look is repeated that said nothing, after
	// unclearPause, twice that, and so on.
	maxUnclear   = 3
	unclearPause = 50 * time.Millisecond
	// maxWitnesses is how many slaves are asked at once to be witnesses, and
	// witnessGap the least time until others are. Any one will do.
	maxWitnesses = 3
	witnessGap   = 50 * time.Millisecond
)

// witnesses is the search for slaves that can be reached.
type witnesses struct {
	wanted bool      // a port has refused twice
	sought time.Time // when some were asked the last time
	last   uint64    // the place of the last one asked
	found  time.Time // when one was asked that answered; zero: never
}

// broke takes in that a connection to the slave at a URL has ended from the other
// side. That is no proof of anything: the slave is asked on a new one.
func (lv *liveness) broke(url string, now time.Time) {
	s := lv.c.fleet.urls[url]
	if s == nil || len(s.held) == 0 || !s.knockAt.IsZero() {
		return
	}
	// One that ends its connections after each answer is not asked in a circle.
	s.knockAt, s.unclear = later(now, s.knockedAt.Add(lv.c.cfg.ProbeBusy)), 0
	lv.c.fleet.refresh(s, now)
}

// noteRefusal takes in how a request to the slave failed.
func (lv *liveness) noteRefusal(s *slaveBook, r *SlaveRequest, err error, now time.Time) {
	if len(s.held) == 0 || r.URL != s.rec.URL {
		lv.unrefused(s)
		return
	}
	if !errors.Is(err, task.ErrRefused) {
		lv.unrefused(s)
		if r.Kind == RequestKnock && s.unclear < maxUnclear {
			// A process that ends closes its connections, and its port after that: this
			// came in between.
			s.knockAt = now.Add(unclearPause << s.unclear)
			s.unclear++
		}
		return
	}
	switch {
	case s.refusedAt.IsZero():
		s.refusedAt = now
	case s.refusedAgain.IsZero() && now.Sub(s.refusedAt) >= knockGap:
		s.refusedAgain = now
		lv.refusing.Set(s.rec.Order, s)
	}
	if s.knockAt.IsZero() {
		s.knockAt = now.Add(knockGap)
	}
	lv.judgeRefusing(now)
}

// unrefused forgets the refusals of a slave: something else has come of a request.
func (lv *liveness) unrefused(s *slaveBook) {
	if !s.refusedAgain.IsZero() {
		lv.refusing.Delete(s.rec.Order)
	}
	s.refusedAt, s.refusedAgain = time.Time{}, time.Time{}
}

// judgeRefusing loses the slaves that are dead, and has witnesses sought for those
// that may be.
func (lv *liveness) judgeRefusing(now time.Time) {
	lv.refusing.Scan(func(_ uint64, s *slaveBook) bool {
		if lv.witnesses.found.Before(s.refusedAgain) {
			lv.witnesses.wanted = true
		} else {
			lv.lose(s, "the port of slave "+s.rec.Name+" refuses connections: its process has ended", now)
		}
		return true
	})
}

// witness takes in that a slave has answered on a new connection.
func (lv *liveness) witness(r *SlaveRequest, now time.Time) {
	lv.witnesses.found = later(lv.witnesses.found, r.began)
	lv.judgeRefusing(now)
}

// seekWitnesses has a few slaves asked that have answered so far, others each time.
func (lv *liveness) seekWitnesses(now time.Time) {
	w := &lv.witnesses
	if !w.wanted || now.Sub(w.sought) < witnessGap {
		return
	}
	left, before := maxWitnesses, w.last
	ask := func(order uint64, s *slaveBook) bool {
		if s.refusedAt.IsZero() {
			s.lane.knock, s.lane.witness = true, true
			lv.c.outbox.touch(s)
			w.last = order
			left--
		}
		return left > 0
	}
	lv.c.fleet.answering.Ascend(before+1, ask)
	if left > 0 {
		lv.c.fleet.answering.Scan(func(order uint64, s *slaveBook) bool { return order <= before && ask(order, s) })
	}
	w.wanted, w.sought = false, now
}
