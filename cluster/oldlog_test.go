package cluster

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"

	"muster/cluster/store"
	"muster/cluster/watch"
	"muster/fsm"
	"muster/task"
)

// logOf returns entries that submit tasks, so many in each, from index 1 on.
func logOf(t *testing.T, entries, commands int) []*raft.Log {
	t.Helper()
	var logs []*raft.Log
	for i := range entries {
		var e fsm.Envelope
		for j := range commands {
			e.Proposals = append(e.Proposals, submit(fmt.Sprint(i, "-", j)))
		}
		data, err := fsm.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, &raft.Log{Index: uint64(i + 1), Term: 1, Data: data})
	}
	return logs
}

// newOldLog keeps nine commands.
func newOldLog(logs ...*raft.Log) *store.OldLog {
	o := store.NewOldLog(9)
	for _, l := range logs {
		o.Read(l)
	}
	return o
}

// TestWhatReplacesOldEntriesIsNotReplayed: it may be a proposal of this master, which
// waits for its outcome.
func TestWhatReplacesOldEntriesIsNotReplayed(t *testing.T) {
	w := newWorld(t, true)
	n, err := w.master("m1").open(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	log := n.store.Log
	for _, l := range logOf(t, 9, watch.WindowEvents/4) {
		log.Old.Read(l)
	}
	if err := log.StoreLog(&raft.Log{Index: 10, Term: 1}); err != nil || !log.Old.Covers(5) {
		t.Errorf("after a new entry behind the old ones: %v", err)
	}
	if err := log.StoreLog(&raft.Log{Index: 5, Term: 2}); err != nil || log.Old.Covers(5) {
		t.Errorf("an entry that replaces an old one is replayed (%v)", err)
	}
}

// replays returns a replica of an empty state that replays what an old log covers.
func replays(old *store.OldLog, committed *uint64) *replica {
	state := fsm.New()
	return &replica{
		state: state, hub: watch.NewHub(state.View()), metrics: newMetrics(), fail: func(error) {},
		old: old, committed: func() uint64 { return *committed },
	}
}

// TestAReplayComesToTheSame as applying entry by entry, and shows it: at the latest
// when the entries that are covered end, or when it isn't sure that more follow.
func TestAReplayComesToTheSame(t *testing.T) {
	logs := logOf(t, 8, 3)
	live := replays(nil, nil)
	var want []*fsm.View
	for _, l := range logs {
		live.Apply(l)
		want = append(want, live.hub.Reader().View())
	}
	for name, c := range map[string]struct {
		committed uint64
		batches   []int
		shown     []uint64 // after each batch
	}{
		"all at once":                         {8, []int{8}, []uint64{8}},
		"more will follow":                    {5, []int{2, 1, 2, 3}, []uint64{0, 0, 5, 8}},
		"more may never follow":               {4, []int{2, 1, 2, 3}, []uint64{2, 3, 5, 8}},
		"the rest is in the same batch":       {8, []int{2, 4, 2}, []uint64{0, 6, 8}},
		"it ends where what is covered does":  {8, []int{5, 3}, []uint64{5, 8}},
		"one entry after the other":           {8, []int{1, 1, 1, 1, 1, 1, 1, 1}, []uint64{0, 0, 0, 0, 5, 6, 7, 8}},
		"one entry after the other, unsurely": {0, []int{1, 1, 1, 1, 1, 1, 1, 1}, []uint64{1, 2, 3, 4, 5, 6, 7, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			r, rest := replays(newOldLog(logs...), &c.committed), logs
			if got := r.old.Until(); got != 5 {
				t.Fatalf("entries up to %d are replayed; want 5", got)
			}
			for i, size := range c.batches {
				if answers := r.ApplyBatch(rest[:size]); len(answers) != size {
					t.Fatalf("%d answers to %d entries", len(answers), size)
				}
				rest = rest[size:]
				v := r.hub.Reader().View()
				if v.Index() != c.shown[i] {
					t.Errorf("after batch %d entry %d is shown; want %d", i+1, v.Index(), c.shown[i])
				}
				if v.Index() > 0 && v.Fingerprint() != want[v.Index()-1].Fingerprint() {
					t.Errorf("at index %d it differs", v.Index())
				}
			}
			if _, reach, _ := r.hub.Reader().EventsAfter(watch.Position{Index: 5}, 99); reach != watch.Gone {
				t.Errorf("events of a replayed entry: reach %d; want gone", reach)
			}
			got, reach, _ := r.hub.Reader().EventsAfter(watch.Position{Index: 5, Number: watch.EndOfEntry}, 99)
			kept, _, _ := live.hub.Reader().EventsAfter(watch.Position{Index: 5, Number: watch.EndOfEntry}, 99)
			if reach != watch.Held || !slices.EqualFunc(got, kept, func(a, b watch.Event) bool { return a.Position == b.Position && a.Event.Task.ID == b.Event.Task.ID }) {
				t.Errorf("%d events after the replay, reach %d; want %d", len(got), reach, len(kept))
			}
		})
	}
}

// TestASnapshotDuringAReplayHasAllOfIt: Raft says that it does.
func TestASnapshotDuringAReplayHasAllOfIt(t *testing.T) {
	logs, committed := logOf(t, 8, 3), uint64(8)
	r := replays(newOldLog(logs...), &committed)
	r.ApplyBatch(logs[:2])
	s, err := r.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if taken, ok := s.(snapshot); !ok || taken.view.Index() != 2 || taken.view.Counts().Submitted != 6 {
		t.Errorf("after entry 2, the snapshot is %+v", s)
	}
}

// TestAReplayThatFailsShowsWhatItCameTo, and nothing is replayed after it.
func TestAReplayThatFailsShowsWhatItCameTo(t *testing.T) {
	logs, committed := logOf(t, 8, 3), uint64(8)
	r := replays(newOldLog(logs...), &committed)
	logs[2].Data = []byte("?")
	for i, a := range r.ApplyBatch(logs[:4]) {
		if _, failed := a.(error); failed != (i >= 2) {
			t.Errorf("entry %d: %v", i+1, a)
		}
	}
	if v := r.hub.Reader().View(); v.Index() != 2 {
		t.Errorf("entry %d is shown; want 2", v.Index())
	}
}

// TestAReplayWakesWhoWaits, as a restore does.
func TestAReplayWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := logOf(t, 8, 3)
		cancelled, err := fsm.Encode(fsm.Envelope{Proposals: []fsm.Proposal{{Command: fsm.CancelTask{ID: 1}}}})
		if err != nil {
			t.Fatal(err)
		}
		logs[3].Data = cancelled
		committed := uint64(1)
		r := replays(newOldLog(logs...), &committed)
		n := &Node{Reader: r.hub.Reader()}
		r.ApplyBatch(logs[:1])
		var follower followed
		r.hub.Follow(&follower)
		done := make(chan error, 2)
		go func() { done <- n.AwaitDone(context.Background(), 1) }()
		go func() { done <- n.WaitIndex(context.Background(), 4) }()
		synctest.Wait()
		r.ApplyBatch(logs[1:4])
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if follower.skips == 0 {
			t.Error("a follower of every event was not told that it missed some")
		}
	})
}

// TestARestoreEndsAReplay: what was replayed before it is not shown any more.
func TestARestoreEndsAReplay(t *testing.T) {
	logs, committed := logOf(t, 8, 3), uint64(8)
	r := replays(newOldLog(logs...), &committed)
	r.ApplyBatch(logs[:2])
	reader, writer := io.Pipe()
	saved := make(chan error, 1)
	go func() { saved <- writer.CloseWithError(fsm.New().View().Save(writer)) }()
	if err := r.Restore(reader); err != nil {
		t.Fatal(err)
	}
	if err := <-saved; err != nil {
		t.Fatal(err)
	}
	if v := r.hub.Reader().View(); v.Counts().Submitted != 0 || r.replayed != 0 {
		t.Errorf("after the restore it has %d tasks, and %d commands to show", v.Counts().Submitted, r.replayed)
	}
}

// TestAMasterThatRestartsOnALongLogGoesOn: it has what it had, knows its newest events
// and answers new commands.
func TestAMasterThatRestartsOnALongLogGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		m.start(bootstrap)
		w.ready(w.leader(m))
		for i := range 40 {
			m.put(fmt.Sprint("key", i))
		}
		before := m.node.View()
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		var old *store.OldLog
		m.opened = func(n *Node) {
			old = store.NewOldLog(10)
			n.store.Log.Old, n.replica.old = old, old
		}
		m.start(bootstrap)
		w.ready(w.leader(m))
		if until := old.Until(); until < 20 || until >= before.Index() {
			t.Fatalf("entries up to %d of %d were replayed", until, before.Index())
		}
		if v := m.node.View(); v.Counts() != before.Counts() || v.Counts().Pending != 40 {
			t.Errorf("it has %+v and had %+v", v.Counts(), before.Counts())
		}
		for id := task.ID(1); id <= 40; id++ {
			was, _ := before.Task(id)
			if is, ok := m.node.View().TaskByKey(was.Key); !ok || is.Index != was.Index || is.ID != id {
				t.Errorf("task %d: %+v, was %+v", id, is, was)
			}
		}
		newest, _ := before.Task(35)
		events, reach, _ := m.node.EventsAfter(watch.Position{Index: newest.Index, Number: watch.EndOfEntry}, 3)
		if reach != watch.Held || len(events) != 3 || events[0].Event.Task.ID != 36 {
			t.Errorf("after task 35 was submitted: %d events, reach %d", len(events), reach)
		}
		if id := m.put("new"); id != 41 {
			t.Errorf("the next task has the id %d", id)
		}
		if id := m.put("key3"); id != 4 {
			t.Errorf("a key that was replayed leads to task %d", id)
		}
	})
}
