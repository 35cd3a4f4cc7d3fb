package dispatch_test

import (
	"math"
	"testing"
	"time"

	"muster/task"
)

// TestAForgedWordIsCorrectedByTheNextAnswer tells the leader in a slave's name
// that nothing is free, with the highest counter there is: the slave's own words
// all have lower ones.
func TestAForgedWordIsCorrectedByTheNextAnswer(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Second} {
		inWorld(t, ttl, func(w *world) {
			a := w.slave("A", 1)
			forged := task.Availability{Incarnation: a.incarnation, Counter: math.MaxUint64, Free: 0, Slots: 1}
			if err := w.heard("A", forged); err != nil {
				w.t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
			for range 3 {
				done := w.mustSubmit("1s")
				time.Sleep(3 * time.Second)
				w.wantDone(done.ID, task.Succeeded, "A")
			}
		})
	}
}
