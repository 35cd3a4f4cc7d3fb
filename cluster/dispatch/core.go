package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/btree"

	"muster/fsm"
	"muster/task"
)

// core is the dispatcher's mind: single-threaded, without I/O. The loop calls an
// input, then plan, then carries out the actions that plan returns.
type core struct {
	cfg   Config
	view  func() *fsm.View
	stamp func() task.Stamp

	slaves  map[string]*slaveBook
	kinds   map[string]*kindBook
	classes map[classKey]*class
	// sweepClassesAt is how many classes there are when the unused are dropped.
	sweepClassesAt int
	woken          bool // a line may have become movable since this was last false
	attempts       map[task.ID]*attempt
	// incarnations are those of the registry, and enlisting those whose
	// registration is under way: incarnation → name.
	incarnations, enlisting map[string]string
	keys                    map[string]*submit // submits under way, by idempotency key
	waiting                 int                // submits in line
	queueing                int                // submits on their way to being pending
	sweeper                 sweeper
	nextPurge               time.Time
	arrivals                uint64 // numbers submits
	dues                    dueHeap
	// urls are the slaves that are there, by their URLs. answering are those that have
	// answered the last time, and refusing those whose port refused twice, by their place in
	// the order.
	urls                map[string]*slaveBook
	answering, refusing btree.Map[uint64, *slaveBook]
	witnesses           witnesses
	moments             moments
	overruns            overruns
	// aside are waiting tasks that a panic was about, and until when they are left alone.
	aside map[task.ID]time.Time

	pacer     pacer
	touched   []*slaveBook // lanes that may have something to do
	proposals []proposal   // for the next actions
	requests  []request
	refusals  []*submit
	stopped   bool
	broken    error // why this dispatcher can't go on
	about     blame // what is being worked on, should it panic

	// seen tells when each slave was last heard of: name → time.Time. It is the
	// one part that other goroutines read.
	seen *sync.Map
}

// proposal is a command on its way into the log, and what to do when its fate is
// known. err is nil if it was applied; then o is its outcome.
type proposal struct {
	fsm.Proposal
	submit *submit // that it records; nil for other commands
	done   func(o fsm.Outcome, err error, now time.Time)
}

// actions are what the loop has to carry out.
type actions struct {
	proposals []proposal // to be committed in one call
	requests  []request  // each to its slave, side by side
	refusals  []*submit  // to be told, if this master still leads
}

func newCore(cfg Config, view func() *fsm.View, stamp func() task.Stamp, seen *sync.Map) *core {
	return &core{
		cfg: cfg, view: view, stamp: stamp, seen: seen,
		slaves: map[string]*slaveBook{}, urls: map[string]*slaveBook{},
		kinds:   map[string]*kindBook{},
		classes: map[classKey]*class{}, sweepClassesAt: minClasses,
		attempts: map[task.ID]*attempt{}, incarnations: map[string]string{}, enlisting: map[string]string{},
		keys: map[string]*submit{}, moments: newMoments(), overruns: newOverruns(),
	}
}

// literal tells that every slave is asked in turn, for every task.
func (c *core) literal() bool { return c.cfg.QuestionTTL <= 0 }

// rebuild fills the books from the state. It is called once, before any other
// input. What is in progress may have begun under an earlier leader, so all of
// it is re-attached; every slave gets a full fresh time-out.
func (c *core) rebuild(v *fsm.View, now time.Time) {
	c.aside = c.cfg.Breaker.setAside(now)
	for _, rec := range v.Slaves() {
		c.putSlave(rec, now)
		// It may have what was ended while nobody could tell it.
		s := c.slaves[rec.Name]
		s.lane.probe, s.probedAt = true, now
	}
	v.InProgress(func(t task.Task) bool {
		c.watch(&t)
		if s := c.slaves[t.Slave]; s != nil && s.rec.Incarnation == t.Incarnation {
			c.addAttempt(s, &t, true, now)
		}
		return true
	})
	for _, s := range c.touched {
		if len(s.held) > 0 {
			c.lineUp(s, now) // before all others
		}
	}
	c.lineUpTouched(now)
	v.Pending(func(t task.Task) bool {
		c.about = blame{task: t.ID}
		c.watch(&t)
		c.addPending(&t)
		return true
	})
}

// plan gives free slots to those who wait, in order, and returns all that is to
// be done.
func (c *core) plan(now time.Time) actions {
	c.about = blame{}
	if !c.stopped {
		c.lookAtDue(now)
		c.passSilent(now)
		c.lookAtAside(now)
		c.lookAtMoments(now)
		c.lookAtOverruns(now)
		c.serveLines(now)
		c.about = blame{}
		c.sweep(now)
		c.purge(now)
		c.seekWitnesses(now)
		c.fillLanes(now)
	}
	out := actions{proposals: c.proposals, requests: c.requests, refusals: c.refusals}
	c.proposals, c.requests, c.refusals = nil, nil, nil
	return out
}

// propose binds a command to this dispatcher's term and puts it on its way.
func (c *core) propose(cmd fsm.Command, done func(o fsm.Outcome, err error, now time.Time)) {
	c.proposeSubmit(nil, cmd, done)
}

// proposeSubmit is propose for the command that records a submit.
func (c *core) proposeSubmit(s *submit, cmd fsm.Command, done func(o fsm.Outcome, err error, now time.Time)) {
	c.proposals = append(c.proposals, proposal{fsm.Proposal{Term: c.cfg.Term, Command: cmd}, s, done})
}

// proposed takes in the fate of proposals. If it is unknown, the books can't be
// trusted any more: the dispatcher ends, and the next one starts from the state.
func (c *core) proposed(ps []proposal, outcomes []fsm.Outcome, err error, now time.Time) {
	if err != nil && fateUnknown(err) && c.broken == nil {
		c.broken = fmt.Errorf("the fate of %d proposals is unknown: %w", len(ps), err)
	}
	for i, p := range ps {
		c.about = blame{submit: p.submit}
		if p.submit != nil {
			p.submit.inLog = err == nil && outcomes[i].Err == nil || err != nil && fateUnknown(err)
		}
		switch {
		case err != nil:
			p.done(fsm.Outcome{}, err, now)
		case outcomes[i].Err != nil:
			p.done(outcomes[i], outcomes[i].Err, now)
		default:
			p.done(outcomes[i], nil, now)
		}
	}
	if c.broken != nil {
		c.stop() // what is asked from here on must not be answered by these books
	}
}

func fateUnknown(err error) bool {
	var refusal *task.Error
	return !errors.As(err, &refusal) || refusal.Code == task.CodeOutcomeUnknown
}

// event takes in a change of the state.
func (c *core) event(e fsm.Event, now time.Time) {
	c.about = blame{}
	if e.Task != nil {
		c.about.task = e.Task.ID
	}
	switch e.Kind {
	case fsm.TaskSubmitted:
		c.watch(e.Task)
	case fsm.TaskDone:
		c.unwatch(e.Task)
		c.dropAttempt(e.Attempt, now)
	case fsm.TaskGivenUp:
		c.dropAttempt(e.Attempt, now)
		c.addPending(e.Task)
	case fsm.TaskStopped:
		c.unwatch(e.Task)
		c.taskStopped(e.Task, e.Attempt, now)
	case fsm.SlaveRemoved:
		c.dropSlave(e.Slave.Name, now)
	case fsm.SlaveRegistered, fsm.SlaveGone:
		c.putSlave(*e.Slave, now)
	case fsm.TaskAssigned, fsm.MasterPut, fsm.MasterRemoved:
		// Assignments are this dispatcher's own: it learns of them by the
		// outcome of its proposal, which also settles the reservation.
	}
}

// stop ends the core: nothing is planned any more, and who waits in line is sent
// away. Proposals that are under way still reach their done, and refusals their
// end.
func (c *core) stop() {
	c.stopped = true
	for _, cl := range c.classes {
		for _, s := range slices.Clone(cl.line.submits) {
			c.finish(s, Answer{}, notLeader())
		}
	}
	c.stillLeads(c.refusals, notLeader())
	c.refusals = nil
}
