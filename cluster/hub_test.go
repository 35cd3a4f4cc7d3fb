package cluster

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/fsm"
	"muster/task"
)

// shown is a hub over a state, without Raft.
type shown struct {
	node  *Node
	state *fsm.State
	index uint64
}

func newShown() *shown {
	state := fsm.New()
	return &shown{node: &Node{hub: newHub(state.View())}, state: state}
}

func (s *shown) apply(commands ...fsm.Command) {
	s.index += 3 // indexes of the log have holes: no-ops, barriers
	var ps []fsm.Proposal
	for _, c := range commands {
		ps = append(ps, fsm.Proposal{Command: c})
	}
	outcomes := s.state.Apply(s.index, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: ps})
	s.node.hub.publish(s.state.View(), entryOutcomes{s.index, outcomes})
}

func (s *shown) slave(slots int) {
	s.apply(fsm.RegisterSlave{Registration: task.Registration{Name: "s", URL: "http://s", Slots: slots, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}}}})
}

// run submits a task onto the slave and returns what ends it.
func (s *shown) run() fsm.Command {
	p, _ := submit("").Command.(fsm.SubmitTask)
	p.Assign = &fsm.Place{Slave: "s", Incarnation: "i"}
	s.apply(p)
	id := task.ID(s.node.View().Counts().Submitted)
	return fsm.CompleteTask{
		Attempt: task.Attempt{ID: id, Attempt: 1, Slave: "s", Incarnation: "i"},
		Result:  task.Result{ID: id, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: "2"}},
	}
}

func TestWaitIndexEndsAtItsIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShown()
		if err := s.node.WaitIndex(t.Context(), 0); err != nil {
			t.Error(err)
		}
		reached := make(chan uint64, 10)
		for _, index := range []uint64{6, 3, 9, 3} {
			go func() {
				if s.node.WaitIndex(context.Background(), index) == nil {
					reached <- index
				}
			}()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.node.WaitIndex(short, 1<<40); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the time-out: %v", err)
		}
		for i, want := range []int{2, 3, 4} {
			s.slave(i + 1)
			synctest.Wait()
			if len(reached) != want {
				t.Errorf("at index %d: %d woken; want %d", s.index, len(reached), want)
			}
		}
		if n := s.node.hub.indexes.Len(); n != 0 {
			t.Errorf("%d waiters are left", n)
		}
	})
}

func TestAwaitDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShown()
		if err := s.node.AwaitDone(t.Context(), 1); codeOf(err) != task.CodeTaskNotFound {
			t.Errorf("of no task: %v", err)
		}
		s.slave(4)
		end1, end2 := s.run(), s.run()
		var ended [3]bool
		for id := range ended[1:] {
			go func() { ended[id+1] = s.node.AwaitDone(context.Background(), task.ID(id+1)) == nil }()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.node.AwaitDone(short, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the time-out: %v", err)
		}
		s.apply(end2)
		synctest.Wait()
		if ended != [3]bool{false, false, true} {
			t.Errorf("task 2 is done; ended: %v", ended)
		}
		s.apply(end1)
		synctest.Wait()
		if !ended[1] || len(s.node.hub.done) != 0 {
			t.Errorf("task 1 is done; ended: %v, left: %v", ended, s.node.hub.done)
		}
		if err := s.node.AwaitDone(t.Context(), 1); err != nil {
			t.Errorf("of a done task: %v", err)
		}
	})
}

func TestARestoreWakesWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind, ahead := newShown(), newShown()
		for _, s := range []*shown{behind, ahead} {
			s.slave(1)
		}
		behind.run()
		ahead.apply(ahead.run())
		ahead.slave(2)
		done := make(chan error, 2)
		go func() { done <- behind.node.AwaitDone(context.Background(), 1) }()
		go func() { done <- behind.node.WaitIndex(context.Background(), ahead.index) }()
		_, w := behind.node.NewWriter()
		synctest.Wait()

		var saved bytes.Buffer
		if err := ahead.node.View().Save(&saved); err != nil {
			t.Fatal(err)
		}
		restored := fsm.New()
		if err := restored.Load(&saved); err != nil {
			t.Fatal(err)
		}
		behind.node.hub.replace(restored.View())
		synctest.Wait()
		if len(done) != 2 {
			t.Fatalf("%d of 2 were woken", len(done))
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		<-w.Wake()
		if events, overflowed := w.Committed(); !overflowed || len(events) > 0 {
			t.Errorf("after a restore: %d events, overflowed %v", len(events), overflowed)
		}
	})
}

func TestAWriterHasExactlyTheEntriesAfterItsView(t *testing.T) {
	s := newShown()
	s.slave(1000)
	applied := make(chan struct{})
	go func() {
		defer close(applied)
		for range 500 {
			s.run()
		}
	}()
	for range 50 {
		view, w := s.node.NewWriter()
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
	}
	<-applied
	if len(s.node.hub.writers) > 1 {
		t.Errorf("%d writers are left", len(s.node.hub.writers))
	}
}

func TestAWriterThatIsNotReadOverflowsAndBlocksNobody(t *testing.T) {
	s := newShown()
	s.slave(100)
	_, w := s.node.NewWriter()
	defer w.Close()
	w.limit = 13
	for range 4 {
		s.run() // one outcome with two events each
	}
	if entries, overflowed := w.Committed(); len(entries) != 4 || overflowed {
		t.Errorf("%d entries, overflowed %v", len(entries), overflowed)
	}
	for range 10 {
		s.run()
	}
	for range 2 { // it stays so: entries in between are gone
		<-w.Wake()
		if entries, overflowed := w.Committed(); len(entries) != 0 || !overflowed {
			t.Errorf("%d entries, overflowed %v", len(entries), overflowed)
		}
		s.run()
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
