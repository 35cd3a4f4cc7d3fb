package watch

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
	Reader

	state *fsm.State
	index uint64
}

func newShown() *shown {
	state := fsm.New()
	return &shown{Reader: NewHub(state.View()).Reader(), state: state}
}

func (s *shown) apply(commands ...fsm.Command) {
	s.index += 3 // indexes of the log have holes: no-ops, barriers
	var ps []fsm.Proposal
	for _, c := range commands {
		ps = append(ps, fsm.Proposal{Command: c})
	}
	outcomes := s.state.Apply(s.index, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: ps})
	s.hub.Publish(s.state.View(), Entry{s.index, outcomes})
}

func (s *shown) slave(slots int) {
	s.apply(fsm.RegisterSlave{Registration: task.Registration{Name: "s", URL: "http://s", Slots: slots, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}}}})
}

// run submits a task onto the slave and returns what ends it.
func (s *shown) run() fsm.Command {
	s.apply(fsm.SubmitTask{
		Spec:   task.Spec{Kind: task.KindExpression, Expression: "1+1", MaxTries: 3, TimeoutMS: 1000, Idempotent: true},
		Assign: &fsm.Place{Slave: "s", Incarnation: "i"},
	})
	id := task.ID(s.View().Counts().Submitted)
	return fsm.CompleteTask{
		Attempt: task.Attempt{ID: id, Attempt: 1, Slave: "s", Incarnation: "i"},
		Result:  task.Result{ID: id, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: "2"}},
	}
}

func TestWaitIndexEndsAtItsIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShown()
		if err := s.WaitIndex(t.Context(), 0); err != nil {
			t.Error(err)
		}
		reached := make(chan uint64, 10)
		for _, index := range []uint64{6, 3, 9, 3} {
			go func() {
				if s.WaitIndex(context.Background(), index) == nil {
					reached <- index
				}
			}()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.WaitIndex(short, 1<<40); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the time-out: %v", err)
		}
		for i, want := range []int{2, 3, 4} {
			s.slave(i + 1)
			synctest.Wait()
			if len(reached) != want {
				t.Errorf("at index %d: %d woken; want %d", s.index, len(reached), want)
			}
		}
		if n := s.hub.indexes.Len(); n != 0 {
			t.Errorf("%d waiters are left", n)
		}
	})
}

func TestAwaitDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShown()
		if err := s.AwaitDone(t.Context(), 1); !refused(err, task.CodeTaskNotFound) {
			t.Errorf("of no task: %v", err)
		}
		s.slave(4)
		end1, end2 := s.run(), s.run()
		var ended [3]bool
		for id := range ended[1:] {
			go func() { ended[id+1] = s.AwaitDone(context.Background(), task.ID(id+1)) == nil }()
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.AwaitDone(short, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after the time-out: %v", err)
		}
		s.apply(end2)
		synctest.Wait()
		if ended != [3]bool{false, false, true} {
			t.Errorf("task 2 is done; ended: %v", ended)
		}
		s.apply(end1)
		synctest.Wait()
		if !ended[1] || len(s.hub.done) != 0 {
			t.Errorf("task 1 is done; ended: %v, left: %v", ended, s.hub.done)
		}
		if err := s.AwaitDone(t.Context(), 1); err != nil {
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
		go func() { done <- behind.AwaitDone(context.Background(), 1) }()
		go func() { done <- behind.WaitIndex(context.Background(), ahead.index) }()
		var f skips
		behind.hub.Follow(&f)
		synctest.Wait()

		var saved bytes.Buffer
		if err := ahead.View().Save(&saved); err != nil {
			t.Fatal(err)
		}
		restored := fsm.New()
		if err := restored.Load(&saved); err != nil {
			t.Fatal(err)
		}
		behind.hub.Replace(restored.View())
		synctest.Wait()
		if len(done) != 2 {
			t.Fatalf("%d of 2 were woken", len(done))
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if f != 1 {
			t.Errorf("a follower was told of %d restores", f)
		}
		behind.hub.Unfollow(&f)
		behind.hub.Unfollow(&f)
		if n := len(behind.hub.followers); n != 0 {
			t.Errorf("%d followers are left", n)
		}
	})
}

func refused(err error, code task.Code) bool {
	refusal, ok := errors.AsType[*task.Error](err)
	return ok && refusal.Code == code
}

// skips counts what its follower was not told of.
type skips int

func (s *skips) Push([]Entry) {}
func (s *skips) Skip()        { *s++ }
