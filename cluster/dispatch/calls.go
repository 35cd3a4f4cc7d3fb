package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

const (
	// maxDials bounds the slaves that are dialled back at once. Those at wrong
	// addresses are waited for; they must not hold up the others.
	maxDials = 128
	// dialWait is how long a slave waits at most to be dialled back. Then it is sent
	// away, and comes back: within the three seconds that a slave waits for the
	// answer, so that no work is done for nothing.
	dialWait = 1500 * time.Millisecond
)

// Submit finds a slave for a task and records both in one entry. It refuses with
// full_capacity, no_slave_for_kind, key_reused, overloaded, task_not_found or
// not_done (retry_of), not_leader, or outcome_unknown. When ctx ends before
// anything was proposed, nothing was recorded, and the refusal is overloaded.
func (d *Dispatcher) Submit(ctx context.Context, req Request) (Answer, error) {
	r := d.SubmitAll(ctx, []Request{req})[0]
	return r.Answer, r.Err
}

// SubmitResult is what came of one Request of several.
type SubmitResult struct {
	Answer Answer
	Err    error // as of Submit
}

// SubmitAll is Submit for several requests, which go into as few entries of the
// log as they fit in. The results are in order.
func (d *Dispatcher) SubmitAll(ctx context.Context, reqs []Request) []SubmitResult {
	if len(reqs) == 0 {
		return nil
	}
	results, err := d.submitAll(ctx, reqs)
	if err != nil {
		results = make([]SubmitResult, len(reqs))
		for i := range results {
			results[i].Err = err
		}
	}
	return results
}

// submitAll returns the results, or why the loop took none of the requests. What
// it took is answered as a whole before it ends.
func (d *Dispatcher) submitAll(ctx context.Context, reqs []Request) ([]SubmitResult, error) {
	b := d.newBatch(reqs)
	err := d.put(ctx, func(c *scheduler.Core, now time.Time) {
		for _, s := range b.submits {
			c.Submit(s, now)
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-b.done:
		return b.results(), nil
	case <-d.done:
		return b.results(), nil
	case <-ctx.Done():
	}
	withdraw := func(c *scheduler.Core, now time.Time) {
		for _, s := range b.submits {
			c.Withdraw(s, now)
		}
	}
	if d.put(context.WithoutCancel(ctx), withdraw) != nil {
		return b.results(), nil //nolint:nilerr // the loop has ended, and each result says what that means for it
	}
	select {
	case <-b.done:
		return b.results(), nil
	case <-d.done:
		return b.results(), nil
	}
}

// batch are the submits of one call. It is the loop's until done, or the
// dispatcher's done, is closed.
type batch struct {
	d       *Dispatcher
	submits []*scheduler.Submit
	open    int           // how many have no answer
	done    chan struct{} // closed when none is left
}

func (d *Dispatcher) newBatch(reqs []Request) *batch {
	b := &batch{d: d, submits: make([]*scheduler.Submit, len(reqs)), open: len(reqs), done: make(chan struct{})}
	for i, r := range reqs {
		b.submits[i] = scheduler.NewSubmit(r)
		b.submits[i].Batch = b
	}
	return b
}

// answered takes in that one more submit has its answer.
func (b *batch) answered() {
	if b.open--; b.open == 0 {
		close(b.done)
	}
}

// results returns what came of the submits. After the loop has ended, what it did not
// answer was not proposed, or it panicked.
func (b *batch) results() []SubmitResult {
	out := make([]SubmitResult, len(b.submits))
	for i, s := range b.submits {
		if s.Answered() {
			out[i] = SubmitResult{s.Answer, s.Err}
		} else {
			out[i].Err = b.d.leftOver(s)
		}
	}
	return out
}

// Register dials a slave back and puts it into the registry. Only the
// incarnation that answers at the URL is registered, so that a late registration
// of an older one can't end a newer one's attempts. It refuses with
// slave_unreachable, wrong_cluster, stale_term, wrong_incarnation, name_taken,
// not_leader, or what a proposal can be refused with; with overloaded when too many
// register at once.
func (d *Dispatcher) Register(ctx context.Context, r task.Registration) (task.Slave, error) {
	a, err := d.dial(ctx, r.URL)
	refusal, refused := errors.AsType[*task.Error](err)
	switch {
	case refused:
		return task.Slave{}, refusal
	case errors.Is(err, task.ErrWrongCluster):
		return task.Slave{}, task.Refuse(task.CodeWrongCluster, fmt.Sprintf("slave %q at %s works for another cluster than this one, %s (%v)", r.Name, r.URL, d.cfg.Cluster, err))
	case errors.Is(err, task.ErrStaleStamp):
		return task.Slave{}, task.Refuse(task.CodeStaleTerm, fmt.Sprintf("slave %q answered at %s, but it has heard a leader of a later term than this one's, %d; if that was of another cluster, start the slave anew", r.Name, r.URL, d.cfg.Term))
	case err != nil:
		return task.Slave{}, task.Refuse(task.CodeSlaveUnreachable, fmt.Sprintf("slave %q did not answer at %s (%v); it must be reachable there from every master", r.Name, r.URL, err))
	case a.Incarnation != r.Incarnation:
		return task.Slave{}, task.Refuse(task.CodeWrongIncarnation, fmt.Sprintf("at %s another incarnation (%.64q) answers than the one that registers (%q)", r.URL, a.Incarnation, r.Incarnation))
	}
	if err := d.nameIsFree(ctx, r); err != nil {
		return task.Slave{}, err
	}
	return d.askSlave(ctx, func(c *scheduler.Core, call *scheduler.Call, now time.Time) { c.Register(call, r, a, now) })
}

// nameIsFree makes sure that no other living slave has the name: the same name
// at another URL is refused while the first one answers there.
func (d *Dispatcher) nameIsFree(ctx context.Context, r task.Registration) error {
	rec, ok := d.log.View().Slave(r.Name)
	if !ok || rec.State == task.SlaveLost || rec.State == task.SlaveLeft || rec.Incarnation == r.Incarnation || rec.URL == r.URL {
		return nil
	}
	a, err := d.dial(ctx, rec.URL)
	if refusal, refused := errors.AsType[*task.Error](err); refused {
		return refusal // nobody was asked
	}
	if err == nil && a.Incarnation == rec.Incarnation {
		return task.Refuse(task.CodeNameTaken, fmt.Sprintf("the name %q belongs to the slave at %s, which is alive; choose another --name", r.Name, rec.URL))
	}
	return nil
}

// Resize has a slave change its number of slots, and records it. What the slave
// has goes on. Repeating it does no harm. It refuses with slave_not_found,
// slave_not_alive, slave_unreachable, not_resizable, wrong_cluster, wrong_incarnation
// (it has just started anew), not_leader, or what a proposal can be refused with.
func (d *Dispatcher) Resize(ctx context.Context, name string, slots int) (task.Slave, error) {
	rec, ok := d.log.View().Slave(name)
	switch {
	case !ok:
		return task.Slave{}, task.Refuse(task.CodeSlaveNotFound, fmt.Sprintf("there is no slave %q", name))
	case rec.State != rec.Present():
		return task.Slave{}, task.Refuse(task.CodeSlaveNotAlive, fmt.Sprintf("slave %q is %s, and can't be told; it has the slots of its own settings when it comes back", name, rec.State))
	}
	a, err := d.tellSize(ctx, rec, slots)
	switch {
	case errors.Is(err, task.ErrNotResizable):
		return task.Slave{}, task.Refuse(task.CodeNotResizable, fmt.Sprintf("slave %q runs a program that can't change its slots; start it again with %d", name, slots))
	case errors.Is(err, task.ErrWrongCluster):
		return task.Slave{}, task.Refuse(task.CodeWrongCluster, fmt.Sprintf("what answers at %s works for another cluster (%v)", rec.URL, err))
	case errors.Is(err, task.ErrWrongIncarnation):
		return task.Slave{}, task.Refuse(task.CodeWrongIncarnation, fmt.Sprintf("slave %q has just started anew; try again", name))
	case err != nil:
		return task.Slave{}, task.Refuse(task.CodeSlaveUnreachable, fmt.Sprintf("slave %q did not answer at %s (%v); look at its entry, and try again", name, rec.URL, err))
	}
	r := task.Registration{
		Name: rec.Name, URL: rec.URL, Slots: slots, Incarnation: rec.Incarnation, Kinds: rec.Kinds, Labels: rec.Labels, Version: rec.Version,
	}
	return d.askSlave(ctx, func(c *scheduler.Core, call *scheduler.Call, now time.Time) { c.Register(call, r, a, now) })
}

// tellSize asks as often as dial does.
func (d *Dispatcher) tellSize(ctx context.Context, rec task.Slave, slots int) (a task.Availability, err error) {
	for range 3 {
		a, err = d.tellSizeOnce(ctx, rec, slots)
		if !errors.Is(err, task.ErrStaleStamp) {
			break
		}
	}
	return a, err
}

func (d *Dispatcher) tellSizeOnce(ctx context.Context, rec task.Slave, slots int) (task.Availability, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.SendTimeout)
	defer cancel()
	return d.sender.Resize(ctx, rec.URL, d.stamp(), rec.Incarnation, slots)
}

// dial asks a URL who is there. A stale stamp only means that another request
// was quicker, so it tries again. No more than maxDials are asked at
// a time.
func (d *Dispatcher) dial(ctx context.Context, url string) (a task.Availability, err error) {
	waited := time.NewTimer(dialWait)
	defer waited.Stop()
	select {
	case d.dials <- struct{}{}:
		defer func() { <-d.dials }()
	case <-d.done:
		return a, notLeader()
	case <-waited.C:
		return a, tooManyRegister()
	case <-ctx.Done():
		return a, tooManyRegister()
	}
	for range 3 {
		a, err = d.dialOnce(ctx, url)
		if !errors.Is(err, task.ErrStaleStamp) {
			break
		}
	}
	return a, err
}

func tooManyRegister() *task.Error {
	return task.Refuse(task.CodeOverloaded, "too many slaves register at once; try again in a moment")
}

func (d *Dispatcher) dialOnce(ctx context.Context, url string) (task.Availability, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.SendTimeout)
	defer cancel()
	return d.sender.Available(ctx, url, d.stamp())
}

// Leave records that a slave has said goodbye. It refuses with slave_not_found,
// wrong_incarnation, not_leader, or what a proposal can be refused with.
func (d *Dispatcher) Leave(ctx context.Context, name, incarnation string) (task.Slave, error) {
	return d.askSlave(ctx, func(c *scheduler.Core, call *scheduler.Call, now time.Time) { c.Leave(call, name, incarnation, now) })
}

// Cancel ends a task and has its slave stop it. It refuses with task_not_found,
// already_done, not_leader, or what a proposal can be refused with.
func (d *Dispatcher) Cancel(ctx context.Context, id task.ID) (task.Task, error) {
	call, err := d.ask(ctx, func(c *scheduler.Core, call *scheduler.Call, _ time.Time) { c.Cancel(call, id) })
	if err != nil {
		return task.Task{}, err
	}
	return call.Task, call.Err
}

// Drain keeps a slave from getting tasks, or with false lets it have some again.
// It refuses with slave_not_found, not_leader, or what a proposal can be refused
// with.
func (d *Dispatcher) Drain(ctx context.Context, name string, drained bool) (task.Slave, error) {
	return d.askSlave(ctx, func(c *scheduler.Core, call *scheduler.Call, _ time.Time) { c.Drain(call, name, drained) })
}

// Remove drops a slave from the registry and returns what was there. By force its
// attempts are given up. It refuses with slave_not_found, slave_busy, not_leader,
// or what a proposal can be refused with.
func (d *Dispatcher) Remove(ctx context.Context, name string, force bool) (task.Slave, error) {
	return d.askSlave(ctx, func(c *scheduler.Core, call *scheduler.Call, now time.Time) { c.Remove(call, name, force, now) })
}

// Report records the results that a slave reports, and takes in its word. The verdicts
// are in order. It refuses with not_leader, overloaded, outcome_unknown, or what a
// proposal can be refused with: then the slave has to report all of them again.
func (d *Dispatcher) Report(ctx context.Context, r task.Report) ([]task.Verdict, error) {
	call, err := d.ask(ctx, func(c *scheduler.Core, call *scheduler.Call, now time.Time) { c.Report(call, r, now) })
	if err != nil {
		return nil, err
	}
	return call.Verdicts, call.Err
}

// Broke takes in that a connection to the slave at a URL has ended, and not by this
// side. It waits for the loop to have room.
func (d *Dispatcher) Broke(url string) {
	_ = d.put(context.Background(), func(c *scheduler.Core, now time.Time) { c.Broke(url, now) }) // an end of the loop is no error
}

// LastSeen returns when the slave last gave a sign of life in this term.
func (d *Dispatcher) LastSeen(slave string) (time.Time, bool) {
	at, ok := d.seen.Load(slave)
	if !ok {
		return time.Time{}, false
	}
	t, ok := at.(time.Time)
	return t, ok
}

// askSlave is ask for calls about a slave.
func (d *Dispatcher) askSlave(ctx context.Context, f func(c *scheduler.Core, call *scheduler.Call, now time.Time)) (task.Slave, error) {
	call, err := d.ask(ctx, f)
	if err != nil {
		return task.Slave{}, err
	}
	return call.Slave, call.Err
}

// ask puts a call to the core and waits for its answer.
func (d *Dispatcher) ask(ctx context.Context, f func(c *scheduler.Core, call *scheduler.Call, now time.Time)) (*scheduler.Call, error) {
	call := &scheduler.Call{Answered: make(chan struct{})}
	taken := false // the loop's until done is closed
	err := d.put(ctx, func(c *scheduler.Core, now time.Time) {
		taken = true
		f(c, call, now)
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-call.Answered:
		return call, nil
	case <-d.done:
		return d.settled(call, taken)
	case <-ctx.Done():
		return nil, task.Refuse(task.CodeOutcomeUnknown, "the leader did not finish in time; repeat the call")
	}
}

// settled returns a call that was answered before the loop ended, or not_leader: what
// the loop did not answer has changed nothing, unless it panicked.
func (d *Dispatcher) settled(call *scheduler.Call, taken bool) (*scheduler.Call, error) {
	select {
	case <-call.Answered:
		return call, nil
	default:
	}
	if taken && d.crash != nil {
		return nil, task.Refuse(task.CodeOutcomeUnknown, "the leader failed before it was known what became of this call; look, or repeat it")
	}
	return nil, notLeader()
}
