package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestADelayCountsAtOnceAndFades(t *testing.T) {
	n := &Node{cfg: Config{Timings: LAN()}}
	n.late.add(n.cfg.Timings.Lease/lateShare + time.Millisecond)
	if !n.Late() {
		t.Error("a delay of more than its share of the lease does not count")
	}
	n.late.add(n.cfg.Timings.Lease)
	n.late.add(0)
	if !n.Late() {
		t.Error("a delay of a whole lease counts for one look only")
	}
	for range int(time.Second / lateEvery) {
		n.late.add(time.Microsecond)
	}
	if n.Late() {
		t.Error("a second after a delay of a whole lease it still counts")
	}
}

// TestAProcessThatIsNotHeldUpIsNotLate measures in a time that stands still while
// anything runs.
func TestAProcessThatIsNotHeldUpIsNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var l lateness
		looks := 0
		l.run(ctx, func(late time.Duration) {
			looks++
			if late > 0 {
				t.Errorf("it is %s late", late)
			}
		})
		if want := int(10 * time.Second / lateEvery); looks < want-1 || looks > want {
			t.Errorf("it looked %d times, want %d", looks, want)
		}
	})
}
