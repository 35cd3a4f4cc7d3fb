package scheduler

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"time"

	"muster/fsm"
	"muster/task"
)

// attempt is one current assignment on its way through a slave.
type attempt struct {
	task.Attempt
	order   task.Order
	slave   *slaveBook
	phase   phase
	begun   bool // its execution may have begun
	listed  int  // bytes that it adds to a send, roughly
	dropped bool // no longer current

	completing   bool // its result is on its way into the log: its slot counts as free
	finished     bool // by the slave's last word; its report is under way
	idempotent   bool
	failingSince time.Time // first of its sends in a row that failed; zero: none
	forgotten    int       // how often the slave had accepted it and did not have it
	overrun      overrun   // when it is given up
}

type phase uint8

const (
	phaseQueued   phase = iota // to be sent, or sent again
	phaseSending               // in the request that is under way
	phaseAccepted              // the slave has it
)

// attempts are those in progress.
type attempts struct {
	c        *Core
	all      map[task.ID]*attempt
	overruns overruns
}

func newAttempts(c *Core) attempts {
	return attempts{c: c, all: map[task.ID]*attempt{}, overruns: newOverruns()}
}

// addAttempt takes over an assignment that the state holds, and has it sent.
func (as *attempts) addAttempt(s *slaveBook, t *task.Task, begun bool, now time.Time) {
	cur, _ := t.Current()
	a := &attempt{
		Attempt: cur, slave: s, begun: begun,
		order: task.Order{
			ID: t.ID, Attempt: t.Attempt, Kind: t.Spec.Kind, Expression: t.Spec.Expression,
			Parameters: t.Spec.Parameters, TimeoutMS: t.Spec.TimeoutMS,
		},
		listed: 128 + len(t.Spec.Expression), idempotent: t.Spec.Idempotent,
	}
	for _, p := range t.Spec.Parameters {
		a.listed += 32 + len(p.Name) + len(p.Value.Text)
	}
	as.all[a.ID] = a
	as.limit(a, t, begun, now)
	s.held[a.ID] = a
	s.sending++
	s.lane.queue = append(s.lane.queue, a)
	as.c.outbox.touch(s)
	as.c.fleet.refresh(s, now)
}

// dropAttempt forgets an attempt that is no longer current; its slot is free.
func (as *attempts) dropAttempt(at task.Attempt, now time.Time) {
	a := as.all[at.ID]
	if a == nil || a.Attempt != at {
		return
	}
	a.dropped = true
	as.overruns.set.Delete(a.overrun)
	if a.phase != phaseAccepted {
		a.slave.sending--
	}
	delete(as.all, a.ID)
	delete(a.slave.held, a.ID)
	if a.completing {
		a.slave.completing--
	}
	as.c.lines.unpark(a.slave)
	as.c.fleet.refresh(a.slave, now)
}

// taskStopped takes in that a task was ended from outside. Its slave is told to
// stop, and has the slot until it says that it is free; if it is not reached, it
// is told again when the attempts that it has are compared with the state.
func (as *attempts) taskStopped(t *task.Task, at task.Attempt, now time.Time) {
	as.c.lines.dropPending(t)
	a := as.all[at.ID]
	if a == nil || a.Attempt != at {
		return
	}
	if a.begun {
		a.slave.lane.cancels = append(a.slave.lane.cancels, at)
	}
	as.dropAttempt(at, now)
	as.c.outbox.touch(a.slave)
}

// requeue has an attempt sent again. The slave answers whether it has it,
// finished it, or never saw it; so nobody waits for a time-out that an answer
// can save.
func (as *attempts) requeue(a *attempt) {
	if a.dropped || a.phase == phaseQueued {
		return
	}
	if a.phase == phaseAccepted {
		a.slave.sending++
	}
	a.phase = phaseQueued
	a.slave.lane.queue = append(a.slave.lane.queue, a)
	as.c.outbox.touch(a.slave)
}

// received takes in a slave's receipts for a send.
func (as *attempts) received(s *slaveBook, batch []*attempt, receipts []task.Receipt, now time.Time) {
	refused := false
	for i, a := range batch {
		if a.dropped {
			continue
		}
		a.failingSince = time.Time{}
		switch r := receipts[i]; r.Status {
		case task.Accepted, task.Running:
			as.accepted(a)
		case task.Finished:
			as.accepted(a)
			as.complete(fsm.CompleteTask{Attempt: a.Attempt, Result: r.Result}, nil, 0, now)
		case task.Refused:
			// The fence makes the refusal final: no older request for this
			// attempt can reach the slave any more. Only of a superseded
			// attempt the slave may have forgotten that it ran.
			a.begun = r.Reason == task.ReasonSuperseded
			refused = true
			as.giveUp(a, "slave "+a.slave.rec.Name+" refused it: "+r.Reason)
		}
	}
	if refused {
		as.c.fleet.doubt(s, refusalPause, now)
	} else {
		s.trust()
	}
}

func (as *attempts) accepted(a *attempt) {
	if a.phase != phaseAccepted {
		a.phase = phaseAccepted
		a.slave.sending--
	}
}

// unsent takes in that a send failed. What surely did not reach the slave goes
// to another one, unless an earlier send of it may have; all else is sent again,
// for as long as silence would be borne. first tells which attempts no earlier
// request carried.
func (as *attempts) unsent(s *slaveBook, batch []*attempt, first []bool, err error, now time.Time) {
	overdue := false
	unreached := errors.Is(err, task.ErrUnreached)
	refused := unreached || errors.Is(err, task.ErrWrongCluster) || errors.Is(err, task.ErrWrongIncarnation) || errors.Is(err, task.ErrStaleStamp)
	for i, a := range batch {
		if a.dropped {
			continue
		}
		if refused && first[i] {
			a.begun = false
		}
		if unreached && !a.begun {
			as.giveUp(a, "slave "+s.rec.Name+" could not be reached")
			continue
		}
		if as.overdue(a, now) {
			overdue = true
			as.giveUp(a, "slave "+s.rec.Name+" did not take it for "+as.c.cfg.SlaveTimeout.String())
			continue
		}
		as.requeue(a)
	}
	if overdue {
		as.c.fleet.doubt(s, as.c.cfg.SlaveTimeout, now)
	}
}

// giveUp proposes that an attempt ends without a result. If that can't be
// committed now, the attempt is sent again.
func (as *attempts) giveUp(a *attempt, reason string) {
	as.c.log.propose(fsm.GiveUpAttempt{Attempt: a.Attempt, Began: a.begun, Reason: reason}, givingUp{a})
}

// givingUp is the end of an attempt on its way into the log.
type givingUp struct{ a *attempt }

// settle: a refusal says that the state has moved on.
func (f givingUp) settle(c *Core, _ fsm.Outcome, err error, _ time.Time) {
	if err != nil {
		c.out.note(Debug, "an attempt was not given up", "slave", f.a.slave.rec.Name, "error", err)
		c.attempts.requeue(f.a)
	}
}

// begun lists the attempts of a slave whose execution may have begun.
func (s *slaveBook) begun() []task.Attempt {
	var out []task.Attempt
	for _, a := range s.inOrder() {
		if a.begun {
			out = append(out, a.Attempt)
		}
	}
	return out
}

// inOrder are the attempts that a slave holds, by their tasks' ids.
func (s *slaveBook) inOrder() []*attempt {
	out := slices.Collect(maps.Values(s.held))
	slices.SortFunc(out, func(a, b *attempt) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
