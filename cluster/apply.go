package cluster

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"muster/fsm"
	"muster/task"
)

// errHalted answers entries that this replica can't apply any more.
var errHalted = errors.New("this master has stopped applying the log")

// replica is Raft's view of the state machine. Raft calls Apply, Snapshot,
// Restore and StoreConfiguration from one goroutine.
type replica struct {
	state *fsm.State // that goroutine's
	// halted is set when an entry could not be applied. Nothing is applied after
	// it, and no snapshot is taken: it would claim to hold that entry.
	halted bool // that goroutine's
	// turns is odd while an entry is applied, or a snapshot loaded.
	turns turns

	hub           *hub
	fail          func(error)                              // stops the node
	configuration func(index uint64, c raft.Configuration) // a committed configuration
	snapshotting  func()                                   // a snapshot is about to be taken
	stamped       func(task.Millis)                        // the stamp of an entry that was applied; may be nil
	metrics       *metrics
}

// The interfaces that Raft looks for.
var (
	_ raft.FSM                = (*replica)(nil)
	_ raft.ConfigurationStore = (*replica)(nil)
)

// Apply applies one entry and returns its []fsm.Outcome, or an error when the
// node stops.
func (r *replica) Apply(l *raft.Log) any {
	r.turns.begin()
	defer r.turns.end()
	if r.halted {
		return errHalted
	}
	envelope, err := fsm.Decode(l.Data)
	if err != nil {
		r.halted = true
		r.fail(fmt.Errorf("log entry %d can't be understood; skipping it would make this replica differ from the others, so this master stops (a newer version may have written it): %w", l.Index, err))
		return errHalted
	}
	outcomes := r.state.Apply(l.Index, l.Term, envelope)
	if r.stamped != nil {
		r.stamped(envelope.Stamp)
	}
	r.hub.publish(r.state.View(), outcomes)
	return outcomes
}

// StoreConfiguration takes a committed configuration. That it exists also makes
// Raft count configurations as applied, so that a snapshot right after a
// membership change does not fail for want of a command.
func (r *replica) StoreConfiguration(index uint64, c raft.Configuration) {
	if r.configuration != nil {
		r.configuration(index, c)
	}
}

// Snapshot returns the view as of the last applied entry.
func (r *replica) Snapshot() (raft.FSMSnapshot, error) {
	if r.halted {
		return nil, errHalted
	}
	if r.snapshotting != nil {
		r.snapshotting()
	}
	return snapshot{view: r.state.View(), metrics: r.metrics}, nil
}

// Restore replaces the state by a snapshot.
func (r *replica) Restore(from io.ReadCloser) error {
	r.turns.begin()
	defer r.turns.end()
	state := fsm.New()
	if err := state.Load(steps{from, &r.turns}); err != nil {
		r.halted = true
		err = fmt.Errorf("load snapshot: %w", err)
		r.fail(err)
		return err
	}
	r.state, r.halted = state, false
	r.hub.replace(state.View())
	return nil
}

// steps tells that a snapshot is read on.
type steps struct {
	io.Reader
	turns *turns
}

// Read reads on.
func (s steps) Read(p []byte) (int, error) {
	s.turns.step()
	return s.Reader.Read(p) //nolint:wrapcheck // an io.Reader's errors are its own
}
