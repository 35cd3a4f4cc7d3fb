package slave

import (
	"errors"
	"fmt"

	"muster/slave/worker"
)

// Resize changes how many tasks the slave runs at once, while it runs. What it has
// goes on; with fewer slots it takes nothing until less than that runs. Masters
// hear of it at once, or as soon as one answers. The next Run begins with
// Config.Slots again.
func (s *Slave) Resize(slots int) error {
	s.mu.Lock()
	w := s.worker
	s.mu.Unlock()
	if w == nil {
		return fmt.Errorf("resize slave %q: %w", s.cfg.Name, errors.New("it does not run"))
	}
	return w.SetSlots(slots)
}

// runs notes which worker Resize is for.
func (s *Slave) runs(w *worker.Worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worker = w
}
