package commit

import (
	"testing"

	"muster/cluster/watch"
	"muster/fsm"
	"muster/task"
)

// shown is a hub over a state, without Raft.
type shown struct {
	hub   *watch.Hub
	state *fsm.State
	index uint64
}

func newShown() *shown {
	state := fsm.New()
	return &shown{hub: watch.NewHub(state.View()), state: state}
}

// submit applies a task onto a slave: one outcome with two events.
func (s *shown) submit() {
	s.apply(fsm.SubmitTask{
		Spec:   task.Spec{Kind: task.KindExpression, Expression: "1+1", MaxTries: 3, TimeoutMS: 1000, Idempotent: true},
		Assign: &fsm.Place{Slave: "s", Incarnation: "i"},
	})
}

func (s *shown) slave(slots int) {
	s.apply(fsm.RegisterSlave{Registration: task.Registration{Name: "s", URL: "http://s", Slots: slots, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}}}})
}

func (s *shown) apply(c fsm.Command) {
	s.index += 3 // indexes of the log have holes: no-ops, barriers
	outcomes := s.state.Apply(s.index, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: []fsm.Proposal{{Command: c}}})
	s.hub.Publish(s.state.View(), watch.Entry{Index: s.index, Outcomes: outcomes})
}

func TestAWriterHasExactlyTheEntriesAfterItsView(t *testing.T) {
	s := newShown()
	s.slave(1000)
	applied := make(chan struct{})
	go func() {
		defer close(applied)
		for range 500 {
			s.submit()
		}
	}()
	var closed []*Writer
	for range 50 {
		view, w := New(Config{}).NewWriter(s.hub)
		next := view.Counts().Submitted + 1
		last := next + 5
		if last > 500 {
			break
		}
		for next < last {
			<-w.Wake()
			entries, overflowed := w.Committed()
			if overflowed {
				t.Fatal("overflowed")
			}
			for _, e := range eventsOf(entries) {
				if e.Kind != fsm.TaskSubmitted {
					continue
				}
				if uint64(e.Task.ID) != next {
					t.Fatalf("event of task %d; want %d", e.Task.ID, next)
				}
				next++
			}
		}
		w.Close()
		w.Close()
		w.Committed()
		closed = append(closed, w)
	}
	<-applied
	for i, w := range closed {
		if entries, overflowed := w.Committed(); len(entries) > 0 || overflowed {
			t.Errorf("writer %d was closed, and was told of %d entries", i, len(entries))
		}
	}
}

func TestAWriterThatIsNotReadOverflowsAndBlocksNobody(t *testing.T) {
	s := newShown()
	s.slave(100)
	_, w := New(Config{}).NewWriter(s.hub)
	defer w.Close()
	w.limit = 13
	for range 4 {
		s.submit() // one outcome with two events each
	}
	if entries, overflowed := w.Committed(); len(entries) != 4 || overflowed {
		t.Errorf("%d entries, overflowed %v", len(entries), overflowed)
	}
	for range 10 {
		s.submit()
	}
	for range 2 { // it stays so: entries in between are gone
		<-w.Wake()
		if entries, overflowed := w.Committed(); len(entries) != 0 || !overflowed {
			t.Errorf("%d entries, overflowed %v", len(entries), overflowed)
		}
		s.submit()
		w.signal()
	}
}

// eventsOf are the events of entries, in order.
func eventsOf(entries []Entry) []fsm.Event {
	var out []fsm.Event
	for _, e := range entries {
		for i := range e.Outcomes {
			out = append(out, e.Outcomes[i].Events...)
		}
	}
	return out
}
