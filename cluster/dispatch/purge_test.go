package dispatch_test

import (
	"testing"
	"time"

	"muster/task"
)

// TestSlavesThatAreGoneForLongArePurged, and only they; one that comes back is new.
func TestSlavesThatAreGoneForLongArePurged(t *testing.T) {
	bothWays(t, func(w *world) {
		w.slaveRetention = 24 * time.Hour
		w.depose()
		w.lead()
		w.slave("A", 1)
		lost := w.slave("B", 1)
		first, _ := w.log.View().Slave("B")
		lost.set(func(s *slave) { s.silent, s.mute = true, true })
		time.Sleep(23 * time.Hour)
		if rec, ok := w.log.View().Slave("B"); !ok || rec.State != task.SlaveLost {
			w.t.Fatalf("after 23 hours: %+v, %t", rec, ok)
		}
		w.depose() // who leads next counts anew
		w.lead()
		time.Sleep(23 * time.Hour)
		if _, ok := w.log.View().Slave("B"); !ok {
			w.t.Error("a new leader purged it early")
		}
		time.Sleep(2 * time.Hour)
		if _, ok := w.log.View().Slave("B"); ok {
			w.t.Error("it is still in the registry")
		}
		if rec, ok := w.log.View().Slave("A"); !ok || rec.State != task.SlaveAlive {
			w.t.Errorf("the other one is %+v, %t", rec, ok)
		}
		lost.set(func(s *slave) { s.silent, s.mute = false, false })
		if err := w.register(lost); err != nil {
			w.t.Fatal(err)
		}
		if rec, ok := w.log.View().Slave("B"); !ok || rec.State != task.SlaveAlive || rec.Order <= first.Order {
			w.t.Errorf("it came back as %+v, %t", rec, ok)
		}
		time.Sleep(2 * time.Hour)
		if _, ok := w.log.View().Slave("B"); !ok {
			w.t.Error("it was purged while it was alive")
		}
	})
}
