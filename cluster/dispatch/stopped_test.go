package dispatch_test

import (
	"testing"
	"time"

	"muster/task"
)

// TestACancelledTaskStopsAndItsSlotIsFree: the slave stops it, and the next task
// gets its slot at once.
func TestACancelledTaskStopsAndItsSlotIsFree(t *testing.T) {
	bothWays(t, func(w *world) {
		s := w.slave("A", 1)
		long := w.mustSubmit("1h")
		time.Sleep(time.Second)
		got, err := w.d.Cancel(w.t.Context(), long.ID)
		if err != nil || got.Outcome != task.Cancelled {
			w.t.Fatalf("cancel: %+v, %v", got, err)
		}
		time.Sleep(time.Second)
		if a, _ := s.worker.Available(task.Stamp{}); a.Free != 1 {
			w.t.Errorf("%d slots are free a second later", a.Free)
		}
		next := w.mustSubmit("1s")
		time.Sleep(2 * time.Second)
		w.wantDone(long.ID, task.Cancelled, "A")
		w.wantDone(next.ID, task.Succeeded, "A")
		if _, err := w.d.Cancel(w.t.Context(), long.ID); codeOf(err) != task.CodeAlreadyDone {
			w.t.Errorf("cancelled again: %v", err)
		}
		if _, err := w.d.Cancel(w.t.Context(), 99); codeOf(err) != task.CodeTaskNotFound {
			w.t.Errorf("an unknown task: %v", err)
		}
	})
}

// TestASlotIsFreeAtOnceWhenItsTaskIsCancelled: also while the handler tidies up, and
// while the slave's word is on its way that it has no slot.
func TestASlotIsFreeAtOnceWhenItsTaskIsCancelled(t *testing.T) {
	for _, probed := range []bool{false, true} {
		bothWays(t, func(w *world) {
			s := w.slave("A", 1)
			s.set(func(s *slave) { s.tidies = 50 * time.Millisecond })
			long := w.mustSubmit("1h")
			if probed { // right when it is cancelled
				held := make(chan struct{})
				w.wire.before(func(call string) error {
					if call == "held" {
						close(held)
						w.wire.before(nil)
						time.Sleep(20 * time.Millisecond)
					}
					return nil
				})
				<-held
			}
			if _, err := w.d.Cancel(w.t.Context(), long.ID); err != nil {
				w.t.Fatal(err)
			}
			next, err := w.submit("1s")
			if err != nil {
				w.t.Fatalf("right after the cancel: %v", err)
			}
			time.Sleep(2 * time.Second)
			w.wantDone(next.Task.ID, task.Succeeded, "A")
		})
	}
}

// TestACancelThatDoesNotReachItsSlaveIsRepeated: while the slave is cut off, and
// by a new dispatcher, which knows of it from the slave alone.
func TestACancelThatDoesNotReachItsSlaveIsRepeated(t *testing.T) {
	for _, anew := range []bool{false, true} {
		bothWays(t, func(w *world) {
			s := w.slave("A", 2)
			long := w.mustSubmit("1h")
			time.Sleep(time.Second)
			s.set(func(s *slave) { s.refused = true })
			if _, err := w.d.Cancel(w.t.Context(), long.ID); err != nil {
				w.t.Fatal(err)
			}
			time.Sleep(time.Second)
			if anew {
				w.depose()
				w.lead()
			}
			s.set(func(s *slave) { s.refused = false })
			time.Sleep(3 * time.Second)
			if a, _ := s.worker.Available(task.Stamp{}); a.Free != 2 {
				w.t.Errorf("%d slots of 2 are free", a.Free)
			}
		})
	}
}

// TestACancelledTaskThatWaitsIsNotAssigned: also while it is the first in line
// and asks.
func TestACancelledTaskThatWaitsIsNotAssigned(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		first := w.mustSubmit("1h")
		time.Sleep(time.Second)
		a.set(func(s *slave) { s.silent = true })
		time.Sleep(10 * time.Second)
		if got := w.task(first.ID); got.Status != task.Pending {
			w.t.Fatalf("%+v", got)
		}
		if _, err := w.d.Cancel(w.t.Context(), first.ID); err != nil {
			w.t.Fatal(err)
		}
		w.slave("B", 1)
		second := w.mustSubmit("1s")
		time.Sleep(5 * time.Second)
		w.wantDone(first.ID, task.Cancelled, "A")
		w.wantDone(second.ID, task.Succeeded, "B")
	})
}

// TestADrainedSlaveFinishesAndGetsNothing, also after a restart, until it is
// undrained.
func TestADrainedSlaveFinishesAndGetsNothing(t *testing.T) {
	bothWays(t, func(w *world) {
		s := w.slave("A", 2)
		w.slave("B", 1)
		long := w.mustSubmit("10s")
		if rec, err := w.d.Drain(w.t.Context(), "A", true); err != nil || rec.State != task.SlaveDraining {
			w.t.Fatalf("drain: %+v, %v", rec, err)
		}
		if other := w.mustSubmit("1s"); other.Slave != "B" {
			w.t.Errorf("a task went to %s", other.Slave)
		}
		if _, err := w.submit("1s"); codeOf(err) != task.CodeFullCapacity {
			w.t.Errorf("a task that only the drained slave could take: %v", err)
		}
		time.Sleep(time.Minute)
		w.wantDone(long.ID, task.Succeeded, "A")
		if t := w.task(long.ID); t.Attempt != 1 {
			w.t.Errorf("it took %d attempts", t.Attempt)
		}
		s.restart()
		if err := w.register(s); err != nil {
			w.t.Fatal(err)
		}
		if other := w.mustSubmit("1s"); other.Slave != "B" {
			w.t.Errorf("after its restart a task went to %s", other.Slave)
		}
		if rec, err := w.d.Drain(w.t.Context(), "A", false); err != nil || rec.State != task.SlaveAlive {
			w.t.Fatalf("undrain: %+v, %v", rec, err)
		}
		if back := w.mustSubmit("1s"); back.Slave != "A" {
			w.t.Errorf("a task went to %s; A is the first in the order", back.Slave)
		}
		if _, err := w.d.Drain(w.t.Context(), "C", true); codeOf(err) != task.CodeSlaveNotFound {
			w.t.Errorf("drain an unknown slave: %v", err)
		}
	})
}

// TestARemovedSlavesTasksRunElsewhere: by force only; and it may come back, as
// the last in the order.
func TestARemovedSlavesTasksRunElsewhere(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		long := w.mustSubmit("20s")
		w.slave("B", 1)
		if _, err := w.d.Remove(w.t.Context(), "A", false); codeOf(err) != task.CodeSlaveBusy {
			w.t.Errorf("remove a slave with tasks: %v", err)
		}
		if _, err := w.d.Remove(w.t.Context(), "C", true); codeOf(err) != task.CodeSlaveNotFound {
			w.t.Errorf("remove an unknown slave: %v", err)
		}
		if rec, err := w.d.Remove(w.t.Context(), "A", true); err != nil || rec.Name != "A" {
			w.t.Fatalf("remove: %+v, %v", rec, err)
		}
		time.Sleep(time.Second)
		if t := w.task(long.ID); t.Slave != "B" || t.Tries != 1 {
			w.t.Errorf("the task is %+v", t)
		}
		if err := w.register(a); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		w.wantDone(long.ID, task.Succeeded, "B")
		if b, _ := w.log.View().Slave("A"); b.Order != 3 {
			w.t.Errorf("it came back at place %d", b.Order)
		}
		if next := w.mustSubmit("1s"); next.Slave != "B" {
			w.t.Errorf("a task went to %s", next.Slave)
		}
		if rec, err := w.d.Remove(w.t.Context(), "A", false); err != nil || rec.Name != "A" {
			w.t.Errorf("remove an idle slave: %+v, %v", rec, err)
		}
	})
}
