package dispatch_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/fsm"
	"muster/task"
)

// TestALoopThatHangsShowsIt, and one that waits for something to do does not.
func TestALoopThatHangsShowsIt(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		var hang atomic.Pointer[chan struct{}]
		w.depose()
		w.clock = func() task.Millis {
			if release := hang.Load(); release != nil {
				<-*release
			}
			return 1
		}
		w.lead()
		first, busy := w.d.Turn()
		if busy {
			t.Error("it is busy, and has nothing to do")
		}
		w.slave("slave-1", 1)
		synctest.Wait() // it is told before the turn ends
		second, busy := w.d.Turn()
		if busy || second == first {
			t.Errorf("busy %v, turn %d, then %d: a registration is something", busy, first, second)
		}
		release := make(chan struct{})
		hang.Store(&release)
		time.Sleep(time.Minute) // fake time; it probes the slave
		synctest.Wait()
		third, busy := w.d.Turn()
		time.Sleep(time.Minute)
		if fourth, still := w.d.Turn(); !busy || !still || third != fourth {
			t.Errorf("it hangs: busy %v, turn %d, then %v, %d", busy, third, still, fourth)
		}
		hang.Store(nil)
		close(release)
		synctest.Wait()
		if _, busy := w.d.Turn(); busy {
			t.Error("it does not hang any more")
		}
	})
}

// TestWhoHasSeenTheLogIsNotAnsweredByAnOlderState: a turn has begun with a state in which
// a task is not done; who then sees that it is, and submits it again, is not told otherwise.
func TestWhoHasSeenTheLogIsNotAnsweredByAnOlderState(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		var hang atomic.Pointer[chan struct{}]
		w.depose()
		w.clock = func() task.Millis {
			if release := hang.Load(); release != nil {
				<-*release
			}
			return 1
		}
		w.lead()
		for range 20 { // the loop chooses among what has come by chance
			first := w.mustSubmit("1s", queued)
			release := make(chan struct{})
			hang.Store(&release)
			go w.d.Broke("http://nobody") // has a turn begin
			synctest.Wait()
			if _, err := w.log.Propose(w.t.Context(), fsm.Proposal{Command: fsm.CancelTask{ID: first.ID}}); err != nil {
				w.t.Fatal(err)
			}
			again := make(chan error, 1)
			go func() {
				_, err := w.d.Submit(w.t.Context(), dispatch.Request{Queue: true, Spec: task.Spec{Kind: task.KindExpression, Expression: "1s", RetryOf: first.ID}})
				again <- err
			}()
			synctest.Wait()
			hang.Store(nil)
			close(release)
			if err := <-again; err != nil {
				w.t.Fatal(err)
			}
		}
	})
}
