package scheduler

import (
	"time"

	"muster/fsm"
	"muster/task"
)

// Core is what the dispatcher of one term knows and decides. It belongs to one
// goroutine, which for each turn calls Begin, then the inputs that have come (in this
// order: Commit, then the others), then Plan, and carries out what that returns. It
// has no clock, no goroutine and no I/O: the same calls have the same results.
type Core struct {
	cfg   Config
	view  *fsm.View   // of this turn
	clock task.Millis // of this turn, the cluster's
	out   Outputs     // of this turn

	classes   classes
	lines     lines
	desk      desk
	fleet     fleet
	liveness  liveness
	outbox    outbox
	attempts  attempts
	moments   moments
	retention retention
	log       inFlight

	stopped bool
	broken  error // why this core can't go on
	about   Blame // what is being worked on, should it panic
}

// Outputs are what a turn decided. They are carried out in this order.
type Outputs struct {
	// Entry, if not empty, is to be appended to the log as one entry.
	Entry []fsm.Proposal
	// Requests are to be sent, each to its slave, side by side; what came of them
	// comes back with Answered.
	Requests []SlaveRequest
	// Refused, if not empty, are to be told that they are refused if this master still
	// leads: whether it does is to come back with StillLeads.
	Refused []*Submit
	// Submits and Calls have their answers.
	Submits []*Submit
	Calls   []*Call
	// Heard are the slaves that gave a sign of life, Dropped those that are not in the
	// registry any more.
	Heard, Dropped []string
	Notes          []Note
	// Wake is when the next turn is due without an input; zero for never.
	Wake time.Time
	// Broken, if not nil, is why this core can't go on.
	Broken error
}

// New returns the core for a term. Begin and Rebuild have to be called next.
func New(cfg Config, suspects Suspects) *Core {
	c := &Core{cfg: cfg.Defaulted()}
	c.classes = newClasses(c)
	c.lines = lines{c: c, suspects: suspects}
	c.desk = desk{c: c, keys: map[string]*Submit{}}
	c.fleet = newFleet(c)
	c.liveness = liveness{c: c}
	c.outbox = outbox{c: c}
	c.attempts = newAttempts(c)
	c.moments = newMoments(c)
	c.retention = retention{c: c}
	c.log = inFlight{c: c}
	return c
}

// Rebuild fills the core from the state. What is in progress may have begun under an
// earlier leader, so all of it is re-attached; every slave gets a full fresh time-out.
func (c *Core) Rebuild(now time.Time) {
	v := c.view
	for _, rec := range v.Slaves() {
		c.fleet.putSlave(rec, now)
		// It may have what was ended while nobody could tell it.
		s := c.fleet.slaves[rec.Name]
		s.lane.probe, s.probedAt = true, now
	}
	v.InProgress(func(t task.Task) bool {
		c.moments.watch(&t)
		if s := c.fleet.slaves[t.Slave]; s != nil && s.rec.Incarnation == t.Incarnation {
			c.attempts.addAttempt(s, &t, true, now)
		}
		return true
	})
	for _, s := range c.outbox.touched {
		if len(s.held) > 0 {
			c.outbox.lineUp(s, now) // before all others
		}
	}
	c.outbox.lineUpTouched(now)
	v.Pending(func(t task.Task) bool {
		c.about = Blame{Task: t.ID}
		c.moments.watch(&t)
		c.lines.addPending(&t)
		return true
	})
	c.about = Blame{}
}

// Begin starts a turn: with the state, which shows at least what Commit is told of in
// this turn, and the time by the cluster's clock.
func (c *Core) Begin(v *fsm.View, clock task.Millis) {
	c.view, c.clock, c.about = v, clock, Blame{}
}

// Plan gives free slots to those who wait, in order, and ends the turn. ready tells
// whether the log takes an entry now; if not, what is decided waits for that.
func (c *Core) Plan(ready bool, now time.Time) Outputs {
	c.about = Blame{}
	if !c.stopped {
		c.liveness.lookAtDue(now)
		c.lines.passSilent(now)
		c.lines.lookAtAside(now)
		c.moments.look(now)
		c.attempts.lookAtOverruns(now)
		if !c.log.full() {
			c.lines.serve(now)
		}
		c.about = Blame{}
		c.retention.sweep(now)
		c.fleet.purge(now)
		c.liveness.seekWitnesses(now)
		c.outbox.fillLanes(now)
	}
	out := c.out
	c.out = Outputs{}
	if ready && !c.stopped {
		out.Entry = c.log.depart()
	}
	out.Wake, out.Broken = c.nextWake(), c.broken
	return out
}

// About tells what is being worked on: when a call panics, that is what the panic is
// about.
func (c *Core) About() Blame { return c.about }

// event takes in a change of the state.
func (c *Core) event(e fsm.Event, now time.Time) {
	c.about = Blame{}
	if e.Task != nil {
		c.about.Task = e.Task.ID
	}
	switch e.Kind {
	case fsm.TaskSubmitted:
		c.moments.watch(e.Task)
	case fsm.TaskDone:
		c.moments.unwatch(e.Task)
		c.attempts.dropAttempt(e.Attempt, now)
	case fsm.TaskGivenUp:
		c.attempts.dropAttempt(e.Attempt, now)
		c.lines.addPending(e.Task)
	case fsm.TaskStopped:
		c.moments.unwatch(e.Task)
		c.attempts.taskStopped(e.Task, e.Attempt, now)
	case fsm.SlaveRemoved:
		c.fleet.dropSlave(e.Slave.Name, now)
	case fsm.SlaveRegistered, fsm.SlaveGone:
		c.fleet.putSlave(*e.Slave, now)
	case fsm.TaskAssigned, fsm.MasterPut, fsm.MasterRemoved:
		// Assignments are this core's own: it learns of them by the outcome of its
		// proposal, which also settles the reservation.
	}
}
