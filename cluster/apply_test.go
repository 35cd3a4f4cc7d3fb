package cluster

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"muster/cluster/watch"
	"muster/fsm"
)

func TestNothingIsAppliedAfterAnEntryThatIsNotUnderstood(t *testing.T) {
	state := fsm.New()
	var failure error
	r := &replica{state: state, hub: watch.NewHub(state.View()), metrics: newMetrics(), fail: func(err error) { failure = err }}
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
	if failure == nil || r.hub.Reader().View().Index() != 1 {
		t.Errorf("failure %v, index %d", failure, r.hub.Reader().View().Index())
	}
	if _, err := r.Snapshot(); !errors.Is(err, errHalted) {
		t.Errorf("a snapshot that would skip the entry: %v", err)
	}
}

func TestASnapshotThatCannotBeLoadedStopsTheNode(t *testing.T) {
	state := fsm.New()
	var failure error
	r := &replica{state: state, hub: watch.NewHub(state.View()), metrics: newMetrics(), fail: func(err error) { failure = err }}
	err := r.Restore(io.NopCloser(strings.NewReader("not a snapshot")))
	if err == nil || failure == nil {
		t.Errorf("restore: %v; failure: %v", err, failure)
	}
}

// TestABatchIsAppliedAsItsEntriesAre, one after the other, up to one that is not
// understood, however long the batch is.
func TestABatchIsAppliedAsItsEntriesAre(t *testing.T) {
	newReplica := func() (*replica, *[]uint64) {
		state := fsm.New()
		var configured []uint64
		return &replica{
			state: state, hub: watch.NewHub(state.View()), metrics: newMetrics(), fail: func(error) {},
			configuration: func(index uint64, _ raft.Configuration) { configured = append(configured, index) },
		}, &configured
	}
	var logs []*raft.Log
	add := func(kind raft.LogType, data []byte) {
		logs = append(logs, &raft.Log{Index: uint64(len(logs) + 1), Term: 1, Type: kind, Data: data})
	}
	const entries, commands = 20, 1000
	for i := range entries {
		var e fsm.Envelope
		for j := range commands {
			e.Proposals = append(e.Proposals, submit(fmt.Sprint(i, "-", j)))
		}
		data, err := fsm.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		add(raft.LogCommand, data)
		if i == 5 {
			add(raft.LogConfiguration, raft.EncodeConfiguration(raft.Configuration{}))
		}
	}
	bad := len(logs)
	add(raft.LogCommand, []byte("?"))
	add(raft.LogCommand, logs[0].Data)

	one, _ := newReplica()
	for _, l := range logs[:bad] {
		one.Apply(l)
	}
	all, configured := newReplica()
	var shown followed
	all.hub.Follow(&shown)
	answers := all.ApplyBatch(logs)
	if want, got := one.hub.Reader().View(), all.hub.Reader().View(); got.Index() != want.Index() || got.Fingerprint() != want.Fingerprint() {
		t.Errorf("at index %d it shows another state than one by one at %d", got.Index(), want.Index())
	}
	if !slices.Equal(*configured, []uint64{7}) {
		t.Errorf("configurations of %v were taken", *configured)
	}
	if shown != (followed{entries: entries, events: entries * commands}) {
		t.Errorf("%+v were shown; want %d entries with %d events", shown, entries, entries*commands)
	}
	for i, a := range answers {
		outcomes, applied := a.([]fsm.Outcome)
		err, _ := a.(error)
		switch {
		case logs[i].Type == raft.LogConfiguration:
		case i < bad && (!applied || len(outcomes) != commands):
			t.Errorf("entry %d: %v", i+1, err)
		case i >= bad && !errors.Is(err, errHalted):
			t.Errorf("entry %d: %v; want errHalted", i+1, err)
		}
	}
}

// followed counts what a watch.Follower is told of.
type followed struct{ entries, events, skips int }

func (f *followed) Push(entries []watch.Entry) {
	f.entries += len(entries)
	for _, e := range entries {
		for _, o := range e.Outcomes {
			f.events += len(o.Events)
		}
	}
}

func (f *followed) Skip() { f.skips++ }
