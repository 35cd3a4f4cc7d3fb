package dispatch_test

import (
	"strings"
	"testing"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// short tasks may take ten seconds.
func short(r *dispatch.Request) { r.Spec.TimeoutMS = (10 * time.Second).Milliseconds() }

// runOnce tasks are of a kind that is not run again.
func runOnce(r *dispatch.Request) { r.Spec.Kind = "once" }

// TestATaskThatItsSlaveNeverEndsIsGivenUp: half a minute after its time-out, by the
// rules of its kind. The slave is told, and what it says later is not wanted.
func TestATaskThatItsSlaveNeverEndsIsGivenUp(t *testing.T) {
	anew(t, func(w *world, takeOver func()) {
		a := w.slave("A", 2)
		a.set(func(s *slave) { s.stubborn = true })
		again, once := w.mustSubmit("1h", short), w.mustSubmit("1h", short, runOnce)
		w.slave("B", 1)
		time.Sleep(9 * time.Second)
		takeOver()
		time.Sleep(30 * time.Second)
		for _, id := range []task.ID{again.ID, once.ID} {
			if got := w.task(id); got.Status != task.InProgress || got.Attempt != 1 {
				w.t.Errorf("it was given up early: %+v", got)
			}
		}
		time.Sleep(2 * time.Second)
		w.wantDone(once.ID, task.Lost, "A")
		if got := w.task(once.ID); !strings.Contains(got.Error, "10s") || !strings.Contains(got.Error, "30s") || finished(got) > 41*time.Second {
			w.t.Errorf("after %v: %s", finished(got), got.Error)
		}
		if got := w.task(again.ID); got.Slave != "B" || got.Tries != 1 {
			w.t.Errorf("what may run twice is %+v", got)
		}
		if n := w.wire.count("cancel http://A"); n != 2 {
			w.t.Errorf("the slave was told to stop %d times", n)
		}
		time.Sleep(time.Hour)
		if got := w.task(again.ID); got.Status != task.Done || got.Slave != "B" || got.Attempt != 2 {
			w.t.Errorf("in the end it is %+v", got)
		}
	})
}

// TestANewLeaderGivesASlaveTimeToReport: the time-out may have passed while nobody
// led.
func TestANewLeaderGivesASlaveTimeToReport(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 2)
		a.set(func(s *slave) { s.stubborn, s.mute = true, true })
		stuck, done := w.mustSubmit("1h", short, runOnce), w.mustSubmit("9s", short, runOnce)
		w.depose()
		time.Sleep(10 * time.Minute)
		w.lead()
		time.Sleep(25 * time.Second)
		a.set(func(s *slave) { s.mute = false })
		time.Sleep(3 * time.Second)
		w.wantDone(done.ID, task.Succeeded, "A")
		if got := w.task(stuck.ID); got.Status != task.InProgress {
			w.t.Errorf("%+v", got)
		}
		time.Sleep(5 * time.Second)
		w.wantDone(stuck.ID, task.Lost, "A")
		time.Sleep(time.Hour) // until its handler returns
	})
}

// TestAGivenUpAttemptIsTriedAgainUntilTheLogTakesIt.
func TestAGivenUpAttemptIsTriedAgainUntilTheLogTakesIt(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		a := w.slave("A", 1)
		a.set(func(s *slave) { s.stubborn = true })
		stuck := w.mustSubmit("1h", short, runOnce)
		time.Sleep(39 * time.Second)
		w.log.set(func(l *instantLog) { l.refuse = task.Refuse(task.CodeOverloaded, "too much") })
		time.Sleep(5 * time.Second)
		w.log.set(func(l *instantLog) { l.refuse = nil })
		time.Sleep(2 * time.Second)
		w.wantDone(stuck.ID, task.Lost, "A")
		time.Sleep(time.Hour) // until its handler returns
	})
}
