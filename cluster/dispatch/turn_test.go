package dispatch_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
