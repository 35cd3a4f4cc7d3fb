package heap

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"

	"muster/systemtest/timelimit"
)

func TestASmallHeapMayDoubleAndALargeOneGrowsByAQuarter(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		base uint64
		want int
	}{
		{0, 100}, {mib, 100}, {64 * mib, 100}, {128 * mib, 50}, {256 * mib, 25}, {900 * mib, 25},
	} {
		if got := percentFor(c.base, room); got != c.want {
			t.Errorf("%d MiB live: %d %%, want %d %%", c.base/mib, got, c.want)
		}
	}
}

// The percentage follows what lives, in both directions, and is restored.
func TestTheCollectorIsToldAgainAfterEachCollection(t *testing.T) {
	runtime.GC() // what the last run of this test has left
	before, limit := percent(), debug.SetMemoryLimit(-1)
	stop := Tune(8<<30, unset)
	if got := percent(); got != mostPercent {
		t.Errorf("with a small heap the percentage is %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != 6<<30 {
		t.Errorf("the limit is %d of 8 GiB", got)
	}
	large := make([]byte, 300<<20)
	collectUntil(t, func(p int) bool { return p == leastPercent })
	runtime.KeepAlive(large)
	collectUntil(t, func(p int) bool { return p == mostPercent })
	stop()
	if got := percent(); got != before {
		t.Errorf("in the end the percentage is %d, it was %d", got, before)
	}
	if got := debug.SetMemoryLimit(-1); got != limit {
		t.Errorf("in the end the limit is %d, it was %d", got, limit)
	}
	runtime.GC()
	runtime.GC()
	if got := percent(); got != before {
		t.Errorf("after the end the percentage was set to %d", got)
	}
}

// A heap of a few megabytes is not collected before half of the room was allocated.
func TestASmallHeapHasRoom(t *testing.T) {
	runtime.GC() // what other tests have left
	stop := Tune(8<<30, unset)
	defer stop()
	runtime.GC()
	s := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if goal, live := s[0].Value.Uint64(), s[1].Value.Uint64(); goal < live+room/2 {
		t.Errorf("%d MiB live, and the next collection comes at %d MiB", live>>20, goal>>20)
	}
}

func TestWhatTheEnvironmentSaysHolds(t *testing.T) {
	before := percent()
	stop := Tune(1<<30, func(name string) string { return map[string]string{"GOGC": "100", "GOMEMLIMIT": "1GiB"}[name] })
	defer stop()
	if got := percent(); got != before {
		t.Errorf("GOGC is set, and the percentage is %d", got)
	}
	if got := debug.SetMemoryLimit(-1); got != math.MaxInt64 {
		t.Errorf("GOMEMLIMIT is set, and the limit was changed to %d", got)
	}
}

func TestAMachineWithLittleMemoryHasLittleRoom(t *testing.T) {
	stop := Tune(256<<20, unset)
	defer stop()
	large := make([]byte, 64<<20)
	collectUntil(t, func(p int) bool { return p == leastPercent })
	runtime.KeepAlive(large)
}

func unset(string) string { return "" }

func percent() int {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return int(s[0].Value.Uint64())
}

// collectUntil collects until the percentage is right: it is set soon after a collection, not in it.
func collectUntil(t *testing.T, right func(percent int) bool) {
	t.Helper()
	timelimit.Eventually(t, "the percentage follows what lives", func(context.Context) error {
		runtime.GC()
		if p := percent(); !right(p) {
			return fmt.Errorf("it is %d", p)
		}
		return nil
	})
}
