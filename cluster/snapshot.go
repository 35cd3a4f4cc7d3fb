package cluster

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"muster/fsm"
)

// snapshot streams a view, which is immutable, beside the entries that are
// applied meanwhile.
type snapshot struct {
	view    *fsm.View
	metrics *metrics
}

// Persist writes the view.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	err := s.view.Save(sink)
	if err != nil {
		err = errors.Join(fmt.Errorf("write snapshot at index %d: %w", s.view.Index(), err), sink.Cancel())
	} else {
		err = sink.Close()
	}
	s.metrics.snapshot(err)
	return err
}

// Release has nothing to do: the view is garbage once nobody has it.
func (s snapshot) Release() {}
