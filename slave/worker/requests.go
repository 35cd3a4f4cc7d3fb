package worker

import (
	"cmp"
	"slices"

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

// Cancel stops an attempt that runs: its handler's context ends, and its result
// is dropped once it has returned. A result that is already there is left to
// the reporter, and an attempt that is not here is no error.
func (w *Worker) Cancel(stamp task.Stamp, incarnation string, id task.ID, number uint32) (task.Availability, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.admit(stamp, incarnation); err != nil {
		return task.Availability{}, err
	}
	if a := w.known.attempts[key{id, number}]; a != nil && a.state == running {
		a.cancelled = true
		a.cancel(ErrCancelled)
	}
	return w.availability(), nil
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
