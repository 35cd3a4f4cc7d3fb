package worker

import (
	"fmt"

	"muster/task"
)

// Resize changes the number of slots for a leader. What runs goes on; with fewer
// slots, nothing more is accepted until less than that runs.
func (w *Worker) Resize(stamp task.Stamp, incarnation string, slots int) (task.Availability, error) {
	w.mu.Lock()
	err := w.admit(stamp, incarnation)
	if err == nil {
		w.resize(slots)
	}
	a := w.availability()
	w.mu.Unlock()
	if err != nil {
		return task.Availability{}, err
	}
	w.resized()
	return a, nil
}

// SetSlots is Resize for the program that the worker is a part of.
func (w *Worker) SetSlots(slots int) error {
	if slots < 1 || slots > task.MaxSlots {
		return fmt.Errorf("worker %q with %d slots; 1 to %d are possible", w.cfg.Name, slots, task.MaxSlots)
	}
	w.mu.Lock()
	w.resize(slots)
	w.mu.Unlock()
	w.resized()
	return nil
}

// Slots returns how many attempts the worker runs at once.
func (w *Worker) Slots() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.slots
}

// resize is called under w.mu.
func (w *Worker) resize(slots int) {
	if slots != w.slots {
		w.counter++ // a word with the old number is older
	}
	w.slots = slots
	w.refresh()
}

func (w *Worker) resized() {
	if w.cfg.Resized != nil {
		w.cfg.Resized()
	}
}
