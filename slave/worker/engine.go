package worker

import (
	"errors"
	"time"

	"muster/task"
)

// Engine executes attempts of a kind, many at once, without a goroutine for each: it
// takes over the orders of a send together, and tells what they came to together, as
// far as they end together.
//
// It returns soon. ended must be called once for each order, from any goroutine, also
// before the Engine has returned, but not by stop; it keeps nothing of what it is given.
// stop has an order end soon, with an error that is or wraps the cause, unless it ends
// by itself before; its slot stays taken until it has ended. An error means what a
// Handler's does. The Engine must not panic.
type Engine func(orders []task.Order, ended func(endings []task.Ending)) (stop func(place int, cause error))

// run is what an engine is handed together.
type run struct {
	engine   Engine
	kind     string
	orders   []task.Order                 // until begin
	attempts []*attempt                   // of these, by their places
	stop     func(place int, cause error) // under Worker.mu; nil before the engine has returned
}

// enlist gives an order a slot, and puts it among those that its engine is handed
// together. The caller holds w.mu.
func (w *Worker) enlist(e Engine, o *task.Order, runs *[]*run) {
	var r *run
	for _, one := range *runs {
		if one.kind == o.Kind {
			r = one
		}
	}
	if r == nil {
		r = &run{engine: e, kind: o.Kind}
		*runs = append(*runs, r)
	}
	limit := timeout(*o)
	a := &attempt{
		key: key{o.ID, o.Attempt}, state: running, run: r, place: len(r.attempts),
		limit: limit, deadline: time.Now().Add(limit), live: len(w.live),
	}
	r.orders = append(r.orders, *o)
	r.attempts = append(r.attempts, a)
	w.live = append(w.live, a)
	w.known.add(a)
	w.running++
	w.expect(a.deadline)
	w.refresh()
}

// begin hands a run to its engine.
func (w *Worker) begin(r *run) {
	orders := r.orders
	r.orders = nil
	stop := r.engine(orders, func(endings []task.Ending) { w.ended(r, endings) })
	w.mu.Lock()
	defer w.mu.Unlock()
	r.stop = stop
	for _, a := range r.attempts {
		if a.run == r && a.cause != nil { // meanwhile
			stop(a.place, a.cause)
		}
	}
}

// ended takes in what orders of a run came to.
func (w *Worker) ended(r *run, endings []task.Ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range endings {
		e := &endings[i]
		a := r.attempts[e.Place]
		if a.run != r {
			w.log.Error("an engine said twice that a task has ended; only the first word counts", "task", a.id, "attempt", a.number, "kind", r.kind)
			continue
		}
		result, err := conclude(a.key, e.Value, e.Err, a.cause)
		cutShort := err != nil && errors.Is(a.cause, ErrStopped)
		last := w.live[len(w.live)-1]
		w.live[a.live], last.live = last, a.live
		w.live[len(w.live)-1] = nil
		w.live = w.live[:len(w.live)-1]
		w.release(a, result, cutShort)
	}
	w.refresh()
}

// halt ends an attempt that runs, with a cause. The caller holds w.mu.
func (w *Worker) halt(a *attempt, cause error) {
	switch {
	case a.run == nil:
		a.cancel(cause)
	case a.cause != nil: // the first counts
	default:
		if a.cause = cause; a.run.stop != nil {
			a.run.stop(a.place, cause)
		}
	}
}

// expect has the clock look at the attempts of engines at a deadline. The caller holds
// w.mu. Most attempts end long before theirs, so there is one timer for all: it is set
// for the earliest, and set again when that time has come.
func (w *Worker) expect(deadline time.Time) {
	if !w.due.IsZero() && !deadline.Before(w.due) {
		return
	}
	w.due = deadline
	if in := time.Until(deadline); w.clock == nil {
		w.clock = time.AfterFunc(in, w.late)
	} else {
		w.clock.Reset(in)
	}
}

// late ends the attempts of engines whose time is over.
func (w *Worker) late() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = time.Time{}
	now := time.Now()
	var next time.Time
	for _, a := range w.live {
		switch {
		case a.cause != nil:
		case !a.deadline.After(now):
			w.halt(a, &timeoutError{a.limit})
		case next.IsZero() || a.deadline.Before(next):
			next = a.deadline
		}
	}
	if !next.IsZero() {
		w.expect(next)
	}
}
