package dispatch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// keyed is a submit with the key of withKey that goes on while the test does.
func (w *world) keyed(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() {
		r := dispatch.Request{Spec: task.Spec{Kind: task.KindExpression, Expression: "5s", MaxTries: 3, TimeoutMS: 60_000}}
		withKey(&r)
		_, err := w.d.Submit(ctx, r)
		done <- err
	}()
	synctest.Wait()
	return done
}

// Barrier is the instant log's: it hangs, and fails, with the proposals.
func (l *instantLog) Barrier(ctx context.Context) error {
	if l.faults.barrier {
		panic(errBug)
	}
	l.mu.Lock()
	hold := l.hold
	l.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refuse
}

func (w *world) recorded() uint64 { return w.log.View().Counts().Submitted }

// Who leaves while another submit of the key is in the log's hands can't be told
// that nothing was recorded.
func TestWhoStopsWaitingForAKeyIsInDoubt(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		w.slave("A", 1)
		hold := make(chan struct{})
		w.log.set(func(l *instantLog) { l.hold = hold })
		first := w.keyed(t.Context())
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := <-w.keyed(short); codeOf(err) != task.CodeOutcomeUnknown {
			t.Errorf("who stopped waiting heard %v, want outcome_unknown", err)
		}
		w.log.set(func(l *instantLog) { l.hold = nil })
		close(hold)
		if err := <-first; err != nil || w.recorded() != 1 {
			t.Errorf("the first: %v, %d recorded", err, w.recorded())
		}
	})
}

// The first submit of a key goes on for those who wait for it when its own
// client has left: that client can't be told that nothing was recorded either.
func TestWhoLeavesOthersWithItsKeyIsInDoubt(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.slave("B", 1)
		time.Sleep(2 * time.Second)
		a.set(func(s *slave) { s.silent = true })
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		first, second := w.keyed(short), w.keyed(t.Context())
		if err := <-first; codeOf(err) != task.CodeOutcomeUnknown {
			t.Errorf("the first heard %v, want outcome_unknown", err)
		}
		if err := <-second; err != nil || w.recorded() != 1 {
			t.Errorf("the second: %v, %d recorded", err, w.recorded())
		}
	})
}

// Who leaves alone, before anything was proposed, is told so, and it is true.
func TestWhoLeavesAloneHasRecordedNothing(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.slave("B", 1)
		time.Sleep(2 * time.Second)
		a.set(func(s *slave) { s.silent = true })
		short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := <-w.keyed(short); codeOf(err) != task.CodeOverloaded {
			t.Errorf("it heard %v, want overloaded", err)
		}
		time.Sleep(time.Minute)
		if w.recorded() != 0 {
			t.Error("what was given up was recorded")
		}
		a.set(func(s *slave) { s.silent = false })
		if err := <-w.keyed(t.Context()); err != nil || w.recorded() != 1 {
			t.Errorf("its repeat: %v, %d recorded", err, w.recorded())
		}
	})
}
