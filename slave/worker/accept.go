package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/task"
)

// Accept takes orders that are meant for an incarnation; the receipts are in
// order. Fence, incarnation, duplicates and slots are judged in one step:
// task.ErrWrongCluster, task.ErrStaleStamp or task.ErrWrongIncarnation says that
// none was looked at.
// A receipt that refuses says that the attempt has not begun here.
func (w *Worker) Accept(stamp task.Stamp, incarnation string, orders []task.Order) ([]task.Receipt, task.Availability, error) {
	receipts, a, runs, err := w.take(stamp, incarnation, orders)
	for _, r := range runs {
		w.begin(r)
	}
	return receipts, a, err
}

// take is Accept but for what it leaves to engines.
func (w *Worker) take(stamp task.Stamp, incarnation string, orders []task.Order) ([]task.Receipt, task.Availability, []*run, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(stamp, incarnation); err != nil {
		return nil, task.Availability{}, nil, err
	}
	receipts := make([]task.Receipt, len(orders))
	var runs []*run
	for i := range orders {
		receipts[i] = w.accept(&orders[i], &runs)
	}
	return receipts, w.availability(), runs, nil
}

// accept judges one order and starts it if it may run, or puts it among what engines
// are to run. The caller holds w.mu.
func (w *Worker) accept(o *task.Order, runs *[]*run) task.Receipt {
	r := task.Receipt{ID: o.ID, Attempt: o.Attempt}
	if a := w.known.attempts[key{o.ID, o.Attempt}]; a != nil {
		switch a.state {
		case running, interrupted:
			r.Status = task.Running
		case finished, acknowledged:
			r.Status, r.Result = task.Finished, a.result
		}
		return r
	}
	handler, engine := w.cfg.Handlers[o.Kind], w.cfg.Engines[o.Kind]
	switch {
	case o.Attempt < w.known.highest(o.ID):
		r.Reason = task.ReasonSuperseded
	case handler == nil && engine == nil:
		r.Reason = task.ReasonUnknownKind
	case w.phase != taking:
		r.Reason = task.ReasonDraining
	case w.free < 1:
		r.Reason = task.ReasonNoSlot
	case engine != nil:
		w.enlist(engine, o, runs)
		r.Status = task.Accepted
		return r
	default:
		w.start(handler, *o)
		r.Status = task.Accepted
		return r
	}
	r.Status = task.Refused
	return r
}

// start gives the order a slot and a goroutine. The caller holds w.mu.
func (w *Worker) start(h Handler, o task.Order) {
	ctx, cancel := context.WithCancelCause(w.work)
	a := &attempt{key: key{o.ID, o.Attempt}, state: running, cancel: cancel}
	w.known.add(a)
	w.running++
	w.refresh()
	w.handlers.Go(func() {
		limit := timeout(o)
		timed, release := context.WithTimeoutCause(ctx, limit, &timeoutError{limit})
		result, err := failure(a.key, errVanished), errVanished
		// Deferred, because a handler may end its goroutine.
		defer func() {
			w.finish(a, result, err != nil && errors.Is(context.Cause(timed), ErrStopped))
			release()
			cancel(nil)
		}()
		result, err = w.execute(timed, h, o)
	})
}

// finish takes in the end of an attempt whose handler has returned.
func (w *Worker) finish(a *attempt, r task.Result, cutShort bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.release(a, r, cutShort)
	w.refresh()
}

// release frees the slot of an attempt that has ended, and says what becomes of its
// result. The caller holds w.mu and refreshes.
func (w *Worker) release(a *attempt, r task.Result, cutShort bool) {
	w.running--
	if a.returned != nil {
		close(a.returned)
	}
	a.cancel, a.run = nil, nil // they hold what nobody needs any more
	if a.cancelled {
		w.stopping--
	}
	switch {
	case a.estranged:
	case a.cancelled:
		a.result = task.Result{ID: r.ID, Attempt: r.Attempt, Outcome: task.Cancelled, Error: ErrCancelled.Error()}
		w.known.acknowledge(a)
	case cutShort:
		// Not a failure of the task, and not "never began" either: only the
		// masters know whether it may run again, when they hear that this
		// slave is gone.
		a.state = interrupted
	default:
		a.state, a.result = finished, r
		w.queue = append(w.queue, a)
		w.kept += size(r)
		select {
		case w.wake <- struct{}{}:
		default: // the reporter was told and has not looked yet
		}
	}
}

// timeout returns an order's limit: none, or one out of bounds, is the default
// or the bound.
func timeout(o task.Order) time.Duration {
	return time.Duration(task.ExecutionLimit(o.TimeoutMS)) * time.Millisecond
}

// timeoutError is the cause of the end of a handler's context at its time-out.
type timeoutError struct{ limit time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("timed out after %v", e.limit) }
