package worker

import (
	"cmp"
	"slices"
	"time"

	"muster/task"
)

// The methods of this file answer a leader's requests. Each begins with the
// fence: a stamp of another cluster's leader is task.ErrWrongCluster, one that is
// not above the highest seen task.ErrStaleStamp, and nothing is done.

// Available answers "are you available?". Without a stamp (a person asks) the
// answer is the same and the fence does not move.
func (w *Worker) Available(stamp task.Stamp) (task.Availability, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stamp != (task.Stamp{}) {
		if err := w.pass(stamp); err != nil {
			return task.Availability{}, err
		}
	}
	return w.availability(), nil
}

// Held lists the attempts that run, and those that are finished and not yet
// acknowledged, by id and attempt. A stamp is as for Available.
func (w *Worker) Held(stamp task.Stamp) ([]task.Held, task.Availability, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stamp != (task.Stamp{}) {
		if err := w.pass(stamp); err != nil {
			return nil, task.Availability{}, err
		}
	}
	held := make([]task.Held, 0, w.running+w.unreported())
	for k, a := range w.known.attempts {
		if a.state != acknowledged {
			held = append(held, task.Held{ID: k.id, Attempt: k.number, Finished: a.state == finished})
		}
	}
	slices.SortFunc(held, func(a, b task.Held) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Attempt, b.Attempt))
	})
	return held, w.availability(), nil
}

// cancelWait is how long a handler that is cancelled is waited for, so that the
// answer can count its slot as free. Most return at once.
const cancelWait = 100 * time.Millisecond

// Cancel stops an attempt that runs: its handler's context ends, and its result
// is dropped once it has returned, for which Cancel waits a moment. A result that
// is already there is left to the reporter, and an attempt that is not here is no
// error.
func (w *Worker) Cancel(stamp task.Stamp, incarnation string, id task.ID, number uint32) (task.Availability, error) {
	returned, err := w.cancel(stamp, incarnation, key{id, number})
	if err != nil {
		return task.Availability{}, err
	}
	over := time.NewTimer(cancelWait)
	defer over.Stop()
	select {
	case <-returned:
	case <-over.C:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.availability(), nil
}

// cancel returns what to wait for. It is closed if nothing was stopped, and if
// handlers that were cancelled before have not returned: that one may not either.
func (w *Worker) cancel(stamp task.Stamp, incarnation string, k key) (<-chan struct{}, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(stamp, incarnation); err != nil {
		return nil, err
	}
	nothing := make(chan struct{})
	close(nothing)
	a := w.known.attempts[k]
	if a == nil || a.state != running || a.cancelled {
		return nothing, nil
	}
	a.cancelled = true
	w.halt(a, ErrCancelled)
	if a.returned == nil {
		a.returned = make(chan struct{})
	}
	if w.stopping++; w.stopping > 1 {
		return nothing, nil
	}
	return a.returned, nil
}

// ResizeTo is Resize for a master, of one incarnation.
func (w *Worker) ResizeTo(stamp task.Stamp, incarnation string, slots int) (task.Availability, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(stamp, incarnation); err != nil {
		return task.Availability{}, err
	}
	if err := w.resize(slots); err != nil {
		return task.Availability{}, err
	}
	return w.availability(), nil
}
