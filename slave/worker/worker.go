package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"muster/task"
)

// Causes of the end of a handler's context, besides its time-out.
var (
	// ErrCancelled: a master had the attempt stopped.
	ErrCancelled = errors.New("cancelled by a master")
	// ErrStopped: the slave stops.
	ErrStopped = errors.New("the slave stops")
	// ErrEstranged: the slave's masters are another cluster than the one that gave
	// the attempt.
	ErrEstranged = errors.New("the slave works for another cluster now")
)

// Worker runs attempts in slots. Its methods are safe for concurrent use.
type Worker struct {
	cfg Config
	log *slog.Logger

	// The two contexts of a run: ending work cuts handlers short, ending
	// reporting ends the reporter.
	work          context.Context //nolint:containedctx // of the run, not of a call
	interrupt     context.CancelCauseFunc
	reporting     context.Context //nolint:containedctx // of the run, not of a call
	stopReporting context.CancelFunc

	handlers sync.WaitGroup // goroutines of handlers
	reporter sync.WaitGroup // the reporter's goroutine
	wake     chan struct{}  // tells the reporter that there are results

	mu          sync.Mutex
	phase       phase
	incarnation string
	cluster     string                // whose attempts these are; empty: not known yet
	fences      map[string]task.Stamp // the highest stamp seen, by cluster
	refusedAt   time.Time             // a leader of another cluster, with a line in the log
	asked       time.Time             // of the last request with a good stamp
	known       table                 // the attempts, by id and number
	slots       int                   // attempts at once
	running     int                   // attempts that have not ended
	stopping    int                   // of these, how many were cancelled

	// Attempts that engines run, in no order; and when the clock looks for those whose
	// time is over, zero: it does not.
	live  []*attempt
	clock *time.Timer
	due   time.Time

	// The results that no verdict has settled: waiting for the next report, and
	// in the one under way.
	queue    []*attempt
	inFlight int
	kept     int // bytes of these results

	counter uint64 // of changes of free
	free    int
	changed chan struct{} // closed and replaced when a wait may be over
}

type phase uint8

const (
	created phase = iota
	taking
	draining
	stopped
)

// Start begins to take work. Repeating it changes nothing; a worker that was
// drained or stopped does not start again.
func (w *Worker) Start() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch w.phase {
	case taking:
		return nil
	case created:
	default:
		return fmt.Errorf("worker %q was stopped; it does not start again", w.cfg.Name)
	}
	w.phase = taking
	w.refresh()
	w.reporter.Go(w.report)
	return nil
}

// Drain stops taking work and returns when everything that ran is finished and
// every result has its verdict, or with an error when ctx ends before.
func (w *Worker) Drain(ctx context.Context) error {
	w.mu.Lock()
	w.enter(draining)
	w.mu.Unlock()

	if err := w.await(ctx, func() bool { return w.running == 0 && w.unreported() == 0 }); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		return fmt.Errorf("drain worker %q: %d running, %d not reported: %w", w.cfg.Name, w.running, w.unreported(), err)
	}
	return nil
}

// Stop stops taking work, cuts short what runs, and returns when every handler
// has returned and nothing of the worker is left, or with an error when ctx
// ends before. Results without a verdict are dropped: Drain first.
func (w *Worker) Stop(ctx context.Context) error {
	w.mu.Lock()
	w.enter(stopped)
	for _, a := range w.live {
		w.halt(a, ErrStopped)
	}
	w.mu.Unlock()

	w.interrupt(ErrStopped)
	w.stopReporting()
	if err := w.await(ctx, func() bool { return w.running == 0 }); err != nil {
		return fmt.Errorf("stop worker %q: its handlers do not return: %w", w.cfg.Name, err)
	}
	w.mu.Lock()
	if w.clock != nil {
		w.clock.Stop()
	}
	w.mu.Unlock()
	w.handlers.Wait() // they are past their last step
	w.reporter.Wait() // its Reporter returns when its context ends
	return nil
}

// LastAsked returns when a master last asked something, or the zero time.
func (w *Worker) LastAsked() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// Slots returns how many attempts the worker runs at once.
func (w *Worker) Slots() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.slots
}

// Resize changes how many attempts the worker runs at once. What runs goes on: with
// more of it than slots, nothing is taken until there is room.
func (w *Worker) Resize(slots int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.resize(slots)
}

// resize is Resize for a caller that holds w.mu.
func (w *Worker) resize(slots int) error {
	if slots < 1 || slots > task.MaxSlots {
		return fmt.Errorf("%w: %d slots; 1 to %d are possible", task.ErrNoSize, slots, task.MaxSlots)
	}
	if slots == w.slots {
		return nil
	}
	w.slots = slots
	w.refresh()
	if w.cfg.Resized != nil {
		w.cfg.Resized()
	}
	return nil
}

// enter moves to a later phase. The caller holds w.mu.
func (w *Worker) enter(p phase) {
	w.phase = max(w.phase, p)
	w.refresh()
}

// await waits until done, called under w.mu, is true.
func (w *Worker) await(ctx context.Context, done func() bool) error {
	for {
		w.mu.Lock()
		over, changed := done(), w.changed
		w.mu.Unlock()
		if over {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// refresh brings free, its counter and the waits up to date after a change. The
// caller holds w.mu and calls it before it lets go.
func (w *Worker) refresh() {
	free := 0
	if w.phase == taking && w.unreported() < w.maxUnreported() && w.kept < maxKeptBytes {
		free = max(0, w.slots-w.running) // fewer than none, when there were more slots before
	}
	if free != w.free {
		w.free = free
		w.counter++
	}
	if w.phase > taking {
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// availability is the slave's word on its slots. The caller holds w.mu.
func (w *Worker) availability() task.Availability {
	return task.Availability{Incarnation: w.incarnation, Counter: w.counter, Free: w.free, Slots: w.slots}
}

// unreported counts the results without a verdict. The caller holds w.mu.
func (w *Worker) unreported() int { return len(w.queue) + w.inFlight }

// maxUnreported and maxKeptBytes bound the results that are kept: a slave that no
// master hears takes no more work when one of them is reached. The list of what
// it holds stays below what a leader reads.
func (w *Worker) maxUnreported() int { return min(max(10*w.slots, 1000), 100_000) }

const maxKeptBytes = 64 << 20
