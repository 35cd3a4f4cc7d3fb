package dispatch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"muster/fsm"
	"muster/task"
)

// input is what the loop takes in: it changes the core.
type input func(c *core, now time.Time)

// Dispatcher leads for one term. Make it with New, run it with Run, and call its
// methods from any goroutine; after Run has returned they refuse with not_leader.
type Dispatcher struct {
	cfg    Config
	log    Log
	source Source
	sender Sender

	inbox   chan input
	done    chan struct{} // closed when the loop takes nothing any more
	dials   chan struct{} // holds a value for each slave that is dialled back now
	seen    sync.Map      // slave name → time.Time of its last sign of life
	workers sync.WaitGroup
	turn    atomic.Uint64 // odd while the loop is at something

	proposals proposals   // the loop's
	crash     *PanicError // set before done is closed; nil: it did not panic
}

// New returns a dispatcher for cfg.Term.
func New(cfg Config, log Log, source Source, sender Sender) *Dispatcher {
	return &Dispatcher{
		cfg: cfg.defaulted(), log: log, source: source, sender: sender,
		inbox: make(chan input, 1024),
		done:  make(chan struct{}),
		dials: make(chan struct{}, maxDials),
	}
}

// Run dispatches until ctx ends, which is no error, or until it can't go on.
// It returns when all that it started has ended. A panic is returned as a *PanicError.
func (d *Dispatcher) Run(ctx context.Context) (err error) {
	c := newCore(d.cfg, d.source.View, d.stamp, &d.seen)
	if p := caught(func() { err = d.run(ctx, c) }); p != nil {
		d.crashed(c, p)
		err = p
	}
	close(d.done)
	d.drain(func(input) {}) // who sent it learns by done that it was not taken
	return err
}

func (d *Dispatcher) run(ctx context.Context, c *core) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	view, sub := d.source.Subscribe()
	defer sub.Close()
	c.rebuild(view, time.Now())
	err := d.loop(ctx, c, sub)
	cancel()
	d.wind(c)
	return err
}

// loop feeds the core with inputs and carries out what it decides.
func (d *Dispatcher) loop(ctx context.Context, c *core, sub Subscription) error {
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		var first input
		select {
		case <-ctx.Done():
			return nil
		case first = <-d.inbox:
		case <-sub.Ready():
		case <-wake.C:
		}
		next, err := d.advance(ctx, c, sub, first)
		if err != nil {
			return err
		}
		if !next.IsZero() {
			wake.Reset(max(0, time.Until(next)))
		}
	}
}

// advance takes in what has come, an input first if that is not nil, and carries out
// what follows. It returns when to look again without a cause.
func (d *Dispatcher) advance(ctx context.Context, c *core, sub Subscription, first input) (next time.Time, err error) {
	d.turn.Add(1)
	defer d.turn.Add(1)
	if first != nil {
		if err := d.takeEvents(c, sub); err != nil {
			return next, err
		}
		d.takeInputs(c, first)
	}
	if err := d.takeEvents(c, sub); err != nil {
		return next, err
	}
	d.carryOut(ctx, c.plan(time.Now()))
	return c.nextWake(), c.broken
}

// Turn tells how the loop gets on: whether it is at something or waits for
// something to do, and a number that changes whenever it begins or ends something.
// It waits for nobody.
func (d *Dispatcher) Turn() (turn uint64, busy bool) {
	turn = d.turn.Load()
	return turn, turn%2 == 1
}

// takeEvents feeds the state's changes to the core. They go before the outcomes
// of the proposals that caused them.
func (d *Dispatcher) takeEvents(c *core, sub Subscription) error {
	events, overflowed := sub.Take()
	if overflowed {
		return errors.New("the dispatcher fell too far behind the log and has to start again")
	}
	now := time.Now()
	for _, e := range events {
		c.event(e, now)
	}
	return nil
}

// takeInputs feeds what is in the inbox to the core, within reason: what arrives
// together is planned together.
func (d *Dispatcher) takeInputs(c *core, first input) {
	c.about = blame{}
	now := time.Now()
	first(c, now)
	for range cap(d.inbox) {
		c.about = blame{}
		select {
		case f := <-d.inbox:
			f(c, now)
		default:
			return
		}
	}
}

// wind stops the core and takes in what is still under way, so that every submit
// learns its fate.
func (d *Dispatcher) wind(c *core) {
	c.stop()
	c.proposed(d.proposals.waiting, nil, notLeader(), time.Now())
	take := func(f input) { f(c, time.Now()) }
	for ended := d.workersEnded(); ; {
		select {
		case f := <-d.inbox:
			take(f)
		case <-ended:
			d.drain(take) // answers to all that was under way
			return
		}
	}
}

// workersEnded returns a channel that closes when no worker is left.
func (d *Dispatcher) workersEnded() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		d.workers.Wait()
		close(ended)
	}()
	return ended
}

// drain empties the inbox.
func (d *Dispatcher) drain(take func(input)) {
	for {
		select {
		case f := <-d.inbox:
			take(f)
		default:
			return
		}
	}
}

// carryOut starts the actions. Each reports back through the inbox.
func (d *Dispatcher) carryOut(ctx context.Context, a actions) {
	d.proposals.waiting = append(d.proposals.waiting, a.proposals...)
	for ps := d.proposals.next(); ps != nil; ps = d.proposals.next() {
		d.commit(ctx, ps)
	}
	if len(a.refusals) > 0 {
		d.work(func() input {
			err := d.log.Barrier(ctx)
			return func(c *core, _ time.Time) { c.stillLeads(a.refusals, err) }
		})
	}
	for _, r := range a.requests {
		d.work(func() input {
			resp := d.call(ctx, r)
			return func(c *core, now time.Time) { c.answered(r, resp, now) }
		})
	}
}

// work runs something beside the loop, which takes in what came of it. A panic is
// the loop's.
func (d *Dispatcher) work(do func() input) {
	d.workers.Go(func() {
		var came input
		if p := caught(func() { came = do() }); p != nil {
			came = func(*core, time.Time) { panic(p) }
		}
		d.inbox <- came
	})
}

// commit hands proposals to the log, and has a worker wait for their outcomes.
func (d *Dispatcher) commit(ctx context.Context, ps []proposal) {
	batch := make([]fsm.Proposal, len(ps))
	for i, p := range ps {
		batch[i] = p.Proposal
		if p.submit != nil {
			p.submit.inLog = true
		}
	}
	await := d.log.Enqueue(batch...) // here, so that calls enter the log in order
	d.work(func() input {
		outcomes, err := await(ctx)
		return func(c *core, now time.Time) {
			d.proposals.calls--
			c.proposed(ps, outcomes, err, now)
		}
	})
}

func (d *Dispatcher) request(ctx context.Context, r request) (resp response) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	switch r.kind {
	case requestAvailable:
		resp.availability, resp.err = d.sender.Available(ctx, r.url, r.stamp)
	case requestKnock:
		resp.availability, resp.err = d.sender.Knock(ctx, r.url, r.stamp)
	case requestSend:
		resp.receipts, resp.availability, resp.err = d.sender.Send(ctx, r.url, r.stamp, r.incarnation, r.orders)
		if resp.err == nil && len(resp.receipts) != len(r.orders) {
			resp.err = errors.New("the slave's receipts don't match the orders")
		}
	case requestHeld:
		resp.held, resp.availability, resp.err = d.sender.Held(ctx, r.url, r.stamp)
	case requestCancel:
		resp.availability, resp.err = d.sender.Cancel(ctx, r.url, r.stamp, r.incarnation, r.cancel.ID, r.cancel.Attempt)
	}
	return resp
}

// stamp numbers a request to a slave.
func (d *Dispatcher) stamp() task.Stamp {
	return task.Stamp{Cluster: d.cfg.Cluster, Term: d.cfg.Term, Sequence: d.cfg.Sequence.Add(1)}
}

// put hands an input to the loop.
func (d *Dispatcher) put(ctx context.Context, f input) error {
	select {
	case <-d.done:
		return notLeader()
	default:
	}
	select {
	case d.inbox <- f:
		return nil
	case <-d.done:
		return notLeader()
	case <-ctx.Done():
		return task.Refuse(task.CodeOverloaded, "the leader has too much to do; try again in a moment")
	}
}
