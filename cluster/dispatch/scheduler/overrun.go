package scheduler

import (
	"fmt"
	"time"

	"github.com/tidwall/btree"

	"muster/fsm"
	"muster/task"
)

const (
	// leastGrace is how much longer than its time-out an attempt may take, or twice
	// the time of silence after which a slave is lost, if that is longer: the slave
	// may have been sent it late, and its report may be on its way. A slave ends an
	// attempt at the time-out by itself; this is for one that does not.
	leastGrace = 30 * time.Second
	// maxOverrun bounds the attempts whose end is on its way.
	maxOverrun = 1024
	// overrunPause is the wait after one that could not be committed.
	overrunPause = time.Second
)

// overrun is when an attempt is given up, by this leader's own clock.
type overrun struct {
	at time.Time
	id task.ID
}

func (o overrun) before(p overrun) bool {
	return o.at.Before(p.at) || o.at.Equal(p.at) && o.id < p.id
}

// overruns are when the attempts in progress are given up.
type overruns struct {
	set    *btree.BTreeG[overrun]
	ending int // on their way
}

func newOverruns() overruns {
	return overruns{set: btree.NewBTreeGOptions(overrun.before, btree.Options{NoLocks: true})}
}

func (as *attempts) grace() time.Duration { return max(leastGrace, 2*as.c.cfg.SlaveTimeout) }

func executionLimit(timeoutMS int64) time.Duration {
	return time.Duration(task.ExecutionLimit(timeoutMS)) * time.Millisecond
}

// limit notes when an attempt is given up. For one that an earlier leader assigned,
// the state and the cluster's clock say what is left of its time; it has the grace
// anew, as nobody may have taken reports before.
func (as *attempts) limit(a *attempt, t *task.Task, again bool, now time.Time) {
	left := executionLimit(t.Spec.TimeoutMS)
	if again {
		ends := t.StartedAt + task.ExecutionLimit(t.Spec.TimeoutMS)
		left = min(left, max(0, time.Duration(ends-as.c.clock)*time.Millisecond))
	}
	as.limitAt(a, now.Add(left+as.grace()))
}

func (as *attempts) limitAt(a *attempt, at time.Time) {
	a.overrun = overrun{at, a.ID}
	as.overruns.set.Set(a.overrun)
}

// lookAtOverruns gives up the attempts that have had their time.
func (as *attempts) lookAtOverruns(now time.Time) {
	for as.overruns.ending < maxOverrun {
		next, some := as.overruns.set.Min()
		if !some || now.Before(next.at) {
			return
		}
		as.overruns.set.Delete(next)
		if a := as.all[next.id]; a != nil && a.overrun == next {
			as.overran(a)
		}
	}
}

// overran gives up an attempt that its slave does not end. The slave is told to
// stop it; what it reports of it from then on is refused.
func (as *attempts) overran(a *attempt) {
	s, limit, grace := a.slave, executionLimit(a.order.TimeoutMS), as.grace()
	as.c.out.note(Warn, "giving up an attempt that its slave does not end",
		"task", a.ID, "attempt", a.Attempt.Attempt, "slave", s.rec.Name, "timeout", limit, "grace", grace)
	reason := fmt.Sprintf("slave %s did not end it within its time-out of %v, nor within %v more", s.rec.Name, limit, grace)
	as.overruns.ending++
	as.c.log.propose(fsm.GiveUpAttempt{Attempt: a.Attempt, Began: a.begun, Reason: reason}, overrunning{a})
}

// overrunning is the end of an attempt that has had its time, on its way into the log.
type overrunning struct{ a *attempt }

func (f overrunning) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	a, s := f.a, f.a.slave
	c.attempts.overruns.ending--
	switch {
	case err == nil && a.begun && s.rec.Incarnation == a.Incarnation:
		s.lane.cancels = append(s.lane.cancels, a.Attempt)
		c.outbox.touch(s)
	case err != nil && !a.dropped && !c.stopped:
		c.attempts.limitAt(a, now.Add(overrunPause))
	}
}
