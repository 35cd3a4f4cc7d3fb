package dispatch_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/fsm"
	"muster/task"
)

// full takes the only slot and has the log hang from then on, until release.
func full(w *world) (release func()) {
	w.slave("A", 1)
	w.mustSubmit("60s")
	hold := make(chan struct{})
	w.log.set(func(l *instantLog) { l.hold = hold })
	return func() {
		w.log.set(func(l *instantLog) { l.hold = nil })
		close(hold)
	}
}

func heardNothing(t *testing.T, done <-chan error) {
	t.Helper()
	if len(done) > 0 {
		t.Error("it was answered while the log hung")
	}
}

// Full capacity is said of a key when the log has shown that this master leads.
func TestAKeyIsRefusedByAMasterThatStillLeads(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		release := full(w)
		first, second := w.keyed(t.Context()), w.keyed(t.Context())
		if _, err := w.submit("1s"); codeOf(err) != task.CodeFullCapacity {
			t.Errorf("without a key: %v, want full_capacity at once", err)
		}
		time.Sleep(time.Second)
		heardNothing(t, first)
		heardNothing(t, second)
		release()
		for _, done := range []<-chan error{first, second} {
			if err := <-done; codeOf(err) != task.CodeFullCapacity {
				t.Errorf("with a key: %v, want full_capacity", err)
			}
		}
		if w.recorded() != 1 {
			t.Errorf("%d tasks are recorded", w.recorded())
		}
	})
}

// What another leader has recorded by then is found.
func TestAKeyThatIsKnownByThenIsNotRefused(t *testing.T) {
	for expression, want := range map[string]task.Code{"5s": "", "6s": task.CodeKeyReused} {
		t.Run(expression, func(t *testing.T) {
			bothWays(t, func(w *world) {
				t := w.t
				w.slave("A", 1)
				w.mustSubmit("60s")
				hold := make(chan struct{})
				w.log.set(func(l *instantLog) { l.hold = hold })
				done := w.keyed(t.Context())
				heardNothing(t, done)
				w.log.set(func(l *instantLog) { l.hold = nil })
				var r dispatch.Request
				withKey(&r)
				spec := task.Spec{Kind: task.KindExpression, Expression: expression, MaxTries: 3, TimeoutMS: 60_000}
				if _, err := w.log.Propose(t.Context(), fsm.Proposal{Command: fsm.SubmitTask{Spec: spec, Key: r.Key}}); err != nil {
					t.Fatal(err)
				}
				close(hold)
				if err := <-done; codeOf(err) != want {
					t.Errorf("it heard %v, want %q", err, want)
				}
			})
		})
	}
}

// A master that can't show that it leads says so.
func TestAKeyIsNotRefusedByADeposedMaster(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		release := full(w)
		done := w.keyed(t.Context())
		w.log.set(func(l *instantLog) { l.refuse = errors.New("leadership lost") })
		release()
		if err := <-done; codeOf(err) != task.CodeNotLeader {
			t.Errorf("it heard %v, want not_leader", err)
		}
	})
}

// A kind that no slave runs is refused as carefully.
func TestAKindIsRefusedByAMasterThatStillLeads(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		release := full(w)
		done := make(chan error, 1)
		go func() {
			r := dispatch.Request{Spec: task.Spec{Kind: "unheard-of", Expression: "1", MaxTries: 3, TimeoutMS: 60_000}, Key: "k"}
			_, err := w.d.Submit(t.Context(), r)
			done <- err
		}()
		synctest.Wait()
		heardNothing(t, done)
		release()
		if err := <-done; codeOf(err) != task.CodeNoSlaveForKind {
			t.Errorf("it heard %v, want no_slave_for_kind", err)
		}
	})
}

// Who leaves before the barrier has passed is not waited for, and those who came
// with its key are still answered.
func TestWhoLeavesARefusalIsNotWaitedFor(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		release := full(w)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := <-w.keyed(short); codeOf(err) != task.CodeOverloaded {
			t.Errorf("who left alone heard %v", err)
		}
		shorter, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first, second := w.keyed(shorter), w.keyed(t.Context())
		if err := <-first; codeOf(err) != task.CodeOutcomeUnknown {
			t.Errorf("who left another with its key heard %v", err)
		}
		release()
		if err := <-second; codeOf(err) != task.CodeFullCapacity {
			t.Errorf("who stayed heard %v", err)
		}
	})
}

// A dispatcher that ends answers those whom it was about to refuse.
func TestRefusalsEndWithTheDispatcher(t *testing.T) {
	bothWays(t, func(w *world) {
		full(w)
		done := w.keyed(w.t.Context())
		w.depose()
		if err := <-done; codeOf(err) != task.CodeNotLeader {
			w.t.Errorf("it heard %v, want not_leader", err)
		}
	})
}
