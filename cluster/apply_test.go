package cluster

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"muster/fsm"
)

func TestNothingIsAppliedAfterAnEntryThatIsNotUnderstood(t *testing.T) {
	state := fsm.New()
	var failure error
	r := &replica{state: state, hub: newHub(state.View()), metrics: newMetrics(), fail: func(err error) { failure = err }}
	good, err := fsm.Encode(fsm.Envelope{Term: 1, Proposals: []fsm.Proposal{submit("x")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Apply(&raft.Log{Index: 1, Term: 1, Data: good}).([]fsm.Outcome); !ok || failure != nil {
		t.Fatalf("a good entry: %v", failure)
	}
	for index, data := range [][]byte{[]byte("?"), good, good} {
		if err, ok := r.Apply(&raft.Log{Index: uint64(2 + index), Term: 1, Data: data}).(error); !ok || !errors.Is(err, errHalted) {
			t.Errorf("entry %d: %v; want errHalted", 2+index, err)
		}
	}
	if failure == nil || r.hub.view.Load().Index() != 1 {
		t.Errorf("failure %v, index %d", failure, r.hub.view.Load().Index())
	}
	if _, err := r.Snapshot(); !errors.Is(err, errHalted) {
		t.Errorf("a snapshot that would skip the entry: %v", err)
	}
}

func TestASnapshotThatCannotBeLoadedStopsTheNode(t *testing.T) {
	state := fsm.New()
	var failure error
	r := &replica{state: state, hub: newHub(state.View()), metrics: newMetrics(), fail: func(err error) { failure = err }}
	err := r.Restore(io.NopCloser(strings.NewReader("not a snapshot")))
	if err == nil || failure == nil {
		t.Errorf("restore: %v; failure: %v", err, failure)
	}
}
