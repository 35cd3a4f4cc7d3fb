package cluster

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"muster/cluster/store"
	"muster/cluster/watch"
	"muster/fsm"
	"muster/task"
)

// errHalted answers entries that this replica can't apply any more.
var errHalted = errors.New("this master has stopped applying the log")

// maxUnshown bounds how many commands are applied before the View shows them. A View
// for every entry of a long log would copy most of the state's trees again and again.
const maxUnshown = 8 << 10

// maxReplayed is maxUnshown for what is replayed. It is larger, because adding many new
// keys at once takes less time, and bounded, because who waits for this master looks at
// the View to see whether it gets on.
const maxReplayed = 128 << 10

// replica is Raft's view of the state machine. Raft calls ApplyBatch, Snapshot and
// Restore from one goroutine.
type replica struct {
	state *fsm.State // that goroutine's
	// halted is set when an entry could not be applied. Nothing is applied after
	// it, and no snapshot is taken: it would claim to hold that entry.
	halted bool // that goroutine's
	// turns is odd while an entry is applied, or a snapshot loaded.
	turns turns

	// old is what is replayed; nil for nothing.
	old       *store.OldLog
	committed func() uint64 // Raft's commit index, 0 while it is not known; needed with old
	replayed  int           // that goroutine's; commands that were replayed and are not shown

	hub           *watch.Hub
	fail          func(error)                              // stops the node
	configuration func(index uint64, c raft.Configuration) // a committed configuration
	snapshotting  func()                                   // a snapshot is about to be taken
	stamped       func(task.Millis)                        // the stamp of an entry that was applied; may be nil
	metrics       *metrics
}

// The interface that Raft looks for. It also makes Raft count configurations as
// applied, so that a snapshot right after a membership change does not fail for want
// of a command.
var _ raft.BatchingFSM = (*replica)(nil)

// Apply applies one entry. Raft calls ApplyBatch instead.
func (r *replica) Apply(l *raft.Log) any { return r.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch applies entries, and takes the committed configurations among them. The
// answer to a command entry is its []fsm.Outcome, or an error when the node stops.
// The View shows an entry before its answer is given.
func (r *replica) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	ahead := decodeAhead(logs)
	defer ahead.end()
	var applied []watch.Entry // and not shown yet
	unshown := 0
	show := func() {
		if len(applied) > 0 {
			r.state.Show()
			r.hub.Publish(r.state.View(), applied...)
		}
		applied, unshown = nil, 0
	}
	r.turns.begin()
	defer r.turns.end()
	for i, l := range logs {
		r.turns.step()
		if l.Type == raft.LogConfiguration {
			r.configured(l)
			continue
		}
		decode := func() (fsm.Envelope, error) { return ahead.take(i) }
		if r.old.Covers(l.Index) {
			answers[i] = r.replay(l, decode)
			continue
		}
		r.showReplayed()
		outcomes, err := r.apply(l, decode)
		if err != nil {
			answers[i] = err
			continue
		}
		answers[i] = outcomes
		applied = append(applied, watch.Entry{Index: l.Index, Outcomes: outcomes})
		if unshown += len(outcomes); unshown >= maxUnshown {
			show()
		}
	}
	if r.halted || !r.old.GoesOn(logs[len(logs)-1].Index, r.committed) {
		r.showReplayed()
	}
	show()
	return answers
}

// apply applies one entry of commands; the View does not show it yet.
func (r *replica) apply(l *raft.Log, decode func() (fsm.Envelope, error)) ([]fsm.Outcome, error) {
	envelope, err := r.take(l, decode)
	if err != nil {
		return nil, err
	}
	return r.state.Advance(l.Index, l.Term, envelope), nil
}

// replay applies one entry of commands that was in the log before this start, of which
// nobody waits for the outcome.
func (r *replica) replay(l *raft.Log, decode func() (fsm.Envelope, error)) error {
	envelope, err := r.take(l, decode)
	if err != nil {
		return err
	}
	r.state.Replay(l.Index, l.Term, envelope)
	if r.replayed += len(envelope.Proposals); r.replayed >= maxReplayed {
		r.showReplayed()
	}
	return nil
}

// showReplayed shows what was replayed, as if it came from a snapshot.
func (r *replica) showReplayed() {
	if r.replayed > 0 {
		r.replayed = 0
		r.state.Show()
		r.hub.Replace(r.state.View())
	}
}

// take decodes the commands of the next entry.
func (r *replica) take(l *raft.Log, decode func() (fsm.Envelope, error)) (fsm.Envelope, error) {
	if r.halted {
		return fsm.Envelope{}, errHalted
	}
	envelope, err := decode()
	if err != nil {
		r.halted = true
		r.fail(fmt.Errorf("log entry %d can't be understood; skipping it would make this replica differ from the others, so this master stops (a newer version may have written it): %w", l.Index, err))
		return fsm.Envelope{}, errHalted
	}
	if r.stamped != nil {
		r.stamped(envelope.Stamp)
	}
	return envelope, nil
}

func (r *replica) configured(l *raft.Log) {
	if r.configuration != nil {
		r.configuration(l.Index, raft.DecodeConfiguration(l.Data))
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
	r.showReplayed()
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
	r.state, r.halted, r.replayed = state, false, 0
	r.hub.Replace(state.View())
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
