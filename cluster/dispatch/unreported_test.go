package dispatch_test

import (
	"testing"
	"time"

	"muster/task"
)

// TestAResultThatIsNotReportedIsFetched: a slave that can't reach the masters, or
// tells a leader that is gone, still answers the leader's probes.
func TestAResultThatIsNotReportedIsFetched(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		a.set(func(s *slave) { s.mute = true })
		id := w.mustSubmit("2s").ID
		time.Sleep(5 * time.Second)
		w.wantDone(id, task.Succeeded, "A")
		if a.runs()[id] != 1 {
			w.t.Errorf("task ran %d times", a.runs()[id])
		}
	})
}

// TestAReportUnderWayIsWaitedFor: with the report on its way, nothing is sent.
func TestAReportUnderWayIsWaitedFor(t *testing.T) {
	bothWays(t, func(w *world) {
		w.slave("A", 1)
		id := w.mustSubmit("10s").ID
		time.Sleep(11 * time.Second)
		w.wantDone(id, task.Succeeded, "A")
		if sends := w.wire.count("send http://A"); sends != 1 {
			w.t.Errorf("%d sends, want 1", sends)
		}
	})
}
