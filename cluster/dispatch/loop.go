package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// input is what the loop takes in: it changes the core.
type input func(c *scheduler.Core, now time.Time)

// Dispatcher leads for one term. Make it with New, run it with Run, and call its
// methods from any goroutine; after Run has returned they refuse with not_leader.
type Dispatcher struct {
	cfg    Config
	log    Log
	sender Sender

	inbox   chan input
	done    chan struct{} // closed when the loop takes nothing any more
	dials   chan struct{} // holds a value for each slave that is dialled back now
	seen    sync.Map      // slave name → time.Time of its last sign of life
	workers sync.WaitGroup
	turn    atomic.Uint64 // odd while the loop is at something

	core   *scheduler.Core // the loop's
	stream Stream          // the loop's
	crash  *PanicError     // set before done is closed; nil: it did not panic
}

// New returns a dispatcher for cfg.Term.
func New(cfg Config, log Log, sender Sender) *Dispatcher {
	return &Dispatcher{
		cfg: cfg.defaulted(), log: log, sender: sender,
		inbox: make(chan input, 1024),
		done:  make(chan struct{}),
		dials: make(chan struct{}, maxDials),
	}
}

// Run dispatches until ctx ends, which is no error, or until it can't go on.
// It returns when all that it started has ended. A panic is returned as a *PanicError.
func (d *Dispatcher) Run(ctx context.Context) (err error) {
	if p := caught(func() { err = d.run(ctx) }); p != nil {
		d.crashed(p)
		err = p
	}
	if d.stream != nil {
		d.stream.Close()
	}
	close(d.done)
	d.drain(func(input) {}) // who sent it learns by done that it was not taken
	return err
}

func (d *Dispatcher) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	view, stream := d.log.Open()
	d.stream = stream
	now := time.Now()
	d.core = scheduler.New(d.cfg.Config, d.cfg.Breaker.suspects(now))
	d.core.Begin(view, d.cfg.Clock())
	d.core.Rebuild(now)
	err := d.loop(ctx)
	cancel()
	d.wind(ctx)
	return err
}

// loop takes turns: in each, all that has come goes into the core, and what it decides is
// carried out.
func (d *Dispatcher) loop(ctx context.Context) error {
	wake := time.NewTimer(0)
	defer wake.Stop()
	for {
		var first input
		select {
		case <-ctx.Done():
			return nil
		case first = <-d.inbox:
		case <-d.stream.Wake():
		case <-wake.C:
		}
		next, err := d.advance(ctx, first)
		if err != nil {
			return err
		}
		if !next.IsZero() {
			wake.Reset(max(0, time.Until(next)))
		}
	}
}

// advance takes one turn, with an input first if that is not nil. It returns when to
// take the next one without a cause.
func (d *Dispatcher) advance(ctx context.Context, first input) (next time.Time, err error) {
	d.turn.Add(1)
	defer d.turn.Add(1)
	now := time.Now()
	inputs := d.arrived(first) // before the log is looked at: they may come from those who have seen it
	if err := d.begin(now); err != nil {
		return next, err
	}
	for _, f := range inputs {
		f(d.core, now)
	}
	out := d.core.Plan(d.stream.Ready(), now)
	d.carryOut(ctx, &out)
	return out.Wake, out.Broken
}

// Turn tells how the loop gets on: whether it is at something or waits for
// something to do, and a number that changes whenever it begins or ends something.
// It waits for nobody.
func (d *Dispatcher) Turn() (turn uint64, busy bool) {
	turn = d.turn.Load()
	return turn, turn%2 == 1
}

// begin begins a turn of the core with what has come of the log.
func (d *Dispatcher) begin(now time.Time) error {
	entries, overflowed := d.stream.Committed()
	if overflowed {
		return errors.New("the dispatcher fell too far behind the log and has to start again")
	}
	d.core.Begin(d.log.View(), d.cfg.Clock())
	for _, e := range entries {
		d.core.Commit(e.Own, e.Outcomes, e.Err, now)
	}
	return nil
}

// arrived takes out what is in the inbox behind the first, within reason: what arrives
// together is planned together.
func (d *Dispatcher) arrived(first input) []input {
	if first == nil {
		return nil
	}
	inputs := []input{first}
	for range cap(d.inbox) {
		select {
		case f := <-d.inbox:
			inputs = append(inputs, f)
		default:
			return inputs
		}
	}
	return inputs
}

// wind stops the core and takes in what is still under way, so that every submit
// learns its fate.
func (d *Dispatcher) wind(ctx context.Context) {
	now := time.Now()
	d.core.Begin(d.log.View(), d.cfg.Clock())
	d.core.Stop(now)
	settle := func() {
		out := d.core.Plan(false, time.Now())
		d.carryOut(ctx, &out)
	}
	settle()
	take := func(f input) {
		f(d.core, time.Now())
		settle()
	}
	ended := d.workersEnded()
	for ended != nil || d.core.Underway() > 0 {
		select {
		case f := <-d.inbox:
			take(f)
		case <-d.stream.Wake():
			if err := d.begin(time.Now()); err != nil {
				d.core.Abandon(time.Now())
			}
			settle()
		case <-ended:
			ended = nil
		}
	}
	d.drain(take) // answers to all that was under way
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

// carryOut does what a turn decided. What comes of it comes back as an entry or by the
// inbox.
func (d *Dispatcher) carryOut(ctx context.Context, out *scheduler.Outputs) {
	for _, n := range out.Notes {
		d.cfg.Logger.Log(ctx, levels[n.Level], n.Text, n.Attrs...) //nolint:sloglint // the text is the scheduler's, where it is a literal
	}
	if len(out.Entry) > 0 {
		d.stream.Append(out.Entry)
	}
	for i := range out.Requests {
		r, stamp := &out.Requests[i], d.stamp() // in the order of the turns
		d.work(func() input {
			resp := d.call(ctx, r, stamp)
			return func(c *scheduler.Core, now time.Time) { c.Answered(r, resp, now) }
		})
	}
	if len(out.Refused) > 0 {
		d.work(func() input {
			err := d.log.Barrier(ctx)
			return func(c *scheduler.Core, _ time.Time) { c.StillLeads(out.Refused, err) }
		})
	}
	d.tell(out)
}

// tell hands out a turn's answers, and notes who was heard.
func (d *Dispatcher) tell(out *scheduler.Outputs) {
	for _, s := range out.Submits {
		if b, ok := s.Batch.(*batch); ok {
			b.answered()
		}
	}
	for _, call := range out.Calls {
		close(call.Answered)
	}
	now := time.Now()
	for _, name := range out.Heard {
		d.seen.Store(name, now)
	}
	for _, name := range out.Dropped {
		d.seen.Delete(name)
	}
}

var levels = [...]slog.Level{scheduler.Debug: slog.LevelDebug, scheduler.Info: slog.LevelInfo, scheduler.Warn: slog.LevelWarn}

// work runs something beside the loop, which takes in what came of it. A panic is
// the loop's.
func (d *Dispatcher) work(do func() input) {
	d.workers.Go(func() {
		var came input
		if p := caught(func() { came = do() }); p != nil {
			came = func(*scheduler.Core, time.Time) { panic(p) }
		}
		d.inbox <- came
	})
}

func (d *Dispatcher) request(ctx context.Context, r *scheduler.SlaveRequest, stamp task.Stamp) (resp scheduler.SlaveResponse) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	switch r.Kind {
	case scheduler.RequestAvailable:
		resp.Availability, resp.Err = d.sender.Available(ctx, r.URL, stamp)
	case scheduler.RequestKnock:
		resp.Availability, resp.Err = d.sender.Knock(ctx, r.URL, stamp)
	case scheduler.RequestSend:
		resp.Receipts, resp.Availability, resp.Err = d.sender.Send(ctx, r.URL, stamp, r.Incarnation, r.Orders)
		if resp.Err == nil && len(resp.Receipts) != len(r.Orders) {
			resp.Err = errors.New("the slave's receipts don't match the orders")
		}
	case scheduler.RequestHeld:
		resp.Held, resp.Availability, resp.Err = d.sender.Held(ctx, r.URL, stamp)
	case scheduler.RequestCancel:
		resp.Availability, resp.Err = d.sender.Cancel(ctx, r.URL, stamp, r.Incarnation, r.Cancel.ID, r.Cancel.Attempt)
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

func notLeader() *task.Error { return scheduler.NotLeader() }
