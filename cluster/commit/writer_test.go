package commit

import (
	"errors"
	"testing"
	"testing/synctest"

	"muster/cluster/watch"
	"muster/fsm"
	"muster/task"
)

// follower is a Writer whose entries are applied and land by hand.
type follower struct {
	*Writer

	t *testing.T
}

func newFollower(t *testing.T) *follower {
	t.Helper()
	_, w := New(Config{}).NewWriter(watch.NewHub(fsm.New().View()))
	return &follower{w, t}
}

// append appends an entry and returns what lands it.
func (f *follower) append() *flight {
	own := &flight{call: call{alone: true}}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flights = append(f.flights, own)
	return own
}

func outcomesOf(values ...string) []fsm.Outcome {
	var out []fsm.Outcome
	for _, v := range values {
		out = append(out, fsm.Outcome{Task: &task.Task{Key: v}})
	}
	return out
}

func (f *follower) apply(index uint64, values ...string) {
	f.Push([]watch.Entry{{Index: index, Outcomes: outcomesOf(values...)}})
}

func (f *follower) land(own *flight, index uint64, err error, values ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own.done, own.err, own.call.index, own.call.outcomes = true, err, index, outcomesOf(values...)
}

// want checks what comes out next: "own:" or "" and the first outcome, or an error.
func (f *follower) want(want ...string) {
	f.t.Helper()
	entries, overflowed := f.Committed()
	var got []string
	for _, e := range entries {
		text := ""
		if e.Own {
			text = "own:"
		}
		switch {
		case e.Err != nil:
			text += e.Err.Error()
		default:
			text += e.Outcomes[0].Task.Key
		}
		got = append(got, text)
	}
	if overflowed {
		got = append(got, "overflowed")
	}
	if len(got) != len(want) {
		f.t.Fatalf("got %q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			f.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// TestAWriterTellsItsOwnEntriesFromOthers: they come out in the order of the log, each
// once, its own with their outcomes as soon as their fate is known.
func TestAWriterTellsItsOwnEntriesFromOthers(t *testing.T) {
	f := newFollower(t)
	f.apply(3, "another")
	f.want("another")
	a, b := f.append(), f.append()
	if f.Ready() {
		t.Error("it takes a third entry")
	}
	f.apply(4, "before")
	f.apply(5, "a")
	f.want() // which of them is its own is not known yet
	f.land(a, 5, nil, "a")
	f.want("before", "own:a")
	if !f.Ready() {
		t.Error("it takes no entry when one has come back")
	}
	f.apply(6, "between")
	f.apply(7, "b")
	f.land(b, 7, nil, "b")
	f.want("between", "own:b")
	f.apply(8, "after")
	f.want("after")
}

// TestAWriterTellsWhatWasNotCommitted in the place of the entry.
func TestAWriterTellsWhatWasNotCommitted(t *testing.T) {
	f := newFollower(t)
	a, b := f.append(), f.append()
	f.land(b, 0, errors.New("no b"))
	f.want() // a is still on its way
	f.land(a, 0, errors.New("no a"))
	f.apply(9, "another")
	f.want("own:no a", "own:no b", "another")
}

// TestAWriterThatMissedItsOwnEntryOverflows instead of waiting for it.
func TestAWriterThatMissedItsOwnEntryOverflows(t *testing.T) {
	f := newFollower(t)
	a := f.append()
	f.land(a, 5, nil, "a")
	f.want("overflowed")
	f = newFollower(t)
	a = f.append()
	f.apply(6, "later")
	f.land(a, 5, nil, "a")
	f.want("overflowed")
}

// TestAWritersEntryIsForItself: neither what waits before it nor what waits behind it
// goes with it, and all keep their order.
func TestAWritersEntryIsForItself(t *testing.T) {
	withCommitter(t, func(b *bench) {
		ctx := b.t.Context()
		b.propose(ctx, "x")
		b.propose(ctx, "y")
		b.propose(ctx, "before1")
		b.propose(ctx, "before2")
		_, w := b.c.NewWriter(watch.NewHub(fsm.New().View()))
		w.Append(commands("own"))
		synctest.Wait()
		b.propose(ctx, "after")
		b.commitAll()
		b.entries("7|x", "7|y", "7|before1,before2", "7|own", "7|after")
	})
}

// TestAnEntryThatIsRefusedAtOnceComesBack with the reason.
func TestAnEntryThatIsRefusedAtOnceComesBack(t *testing.T) {
	c := New(Config{Admit: func([]fsm.Proposal) error { return NotLeaderError("") }})
	_, w := c.NewWriter(watch.NewHub(fsm.New().View()))
	w.Append([]fsm.Proposal{{Command: fsm.CancelTask{ID: 1}}})
	<-w.Wake()
	entries, _ := w.Committed()
	if len(entries) != 1 || !entries[0].Own {
		t.Fatalf("came back: %+v", entries)
	}
	if refusal, ok := errors.AsType[*task.Error](entries[0].Err); !ok || refusal.Code != task.CodeNoLeader {
		t.Errorf("refused with %v", entries[0].Err)
	}
}
