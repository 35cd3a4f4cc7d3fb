package dispatch_test

import (
	"strings"
	"testing"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// A slave that went to another cluster is gone for this one, as if it had started anew:
// what it had runs elsewhere, and what may run once only is lost.
func TestASlaveThatWentToAnotherClusterIsLost(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 3)
		repeatable := w.mustSubmit("1h")
		once := w.mustSubmit("1h", func(r *dispatch.Request) { r.Spec.Kind = "once" })
		time.Sleep(time.Second)
		w.slave("B", 3)
		a.worker.Serve("other", "A-of-other")
		time.Sleep(2 * time.Second) // a slave that has attempts is asked every second
		if rec, _ := w.log.View().Slave("A"); rec.State != task.SlaveLost {
			t.Errorf("A is %v, want lost", rec.State)
		}
		if got := w.task(repeatable.ID); got.Slave != "B" || got.Attempt != 2 {
			t.Errorf("%+v, want attempt 2 on B", got)
		}
		w.wantDone(once.ID, task.Lost, "A")
		if got := w.task(once.ID).Error; !strings.Contains(got, "works for another cluster") {
			t.Errorf("the reason is %q", got)
		}
	})
}

// What is sent to a slave that has gone to another cluster has not begun there.
func TestWhatAnotherClustersSlaveRefusesHasNotBegun(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		a.worker.Serve("other", "A-of-other")
		w.slave("B", 1)
		got := w.mustSubmit("1s", func(r *dispatch.Request) { r.Spec.Kind = "once" }, queued)
		time.Sleep(10 * time.Second)
		w.wantDone(got.ID, task.Succeeded, "B")
		if n := a.runs()[got.ID]; n != 0 {
			w.t.Errorf("A ran it %d times", n)
		}
	})
}

// A registration is refused with what really happened: the slave answers, and takes
// nothing from this leader.
func TestRegistrationsThatAnotherLeadersSlaveMakes(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		other := w.wire.start(w, "other", 1)
		if _, _, err := other.worker.Accept(task.Stamp{Cluster: "another", Term: 1, Sequence: 1}, other.incarnation, nil); err != nil {
			w.t.Fatal(err)
		}
		err := w.register(other)
		if codeOf(err) != task.CodeWrongCluster || !strings.Contains(err.Error(), "works for another cluster") {
			w.t.Errorf("of another cluster: %v", err)
		}
		later := w.wire.start(w, "later", 1)
		if _, err := later.worker.Available(task.Stamp{Term: 1 << 30, Sequence: 1}); err != nil {
			w.t.Fatal(err)
		}
		err = w.register(later)
		if codeOf(err) != task.CodeStaleTerm || !strings.Contains(err.Error(), "a later term") || strings.Contains(err.Error(), "reachable") {
			w.t.Errorf("of a later term: %v", err)
		}
		a := w.slave("A", 1)
		a.worker.Serve("another", "A-of-another")
		if _, err := w.d.Resize(w.t.Context(), "A", 2); codeOf(err) != task.CodeWrongCluster {
			w.t.Errorf("resize: %v", err)
		}
	})
}
