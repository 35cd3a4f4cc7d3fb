package dispatch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// queuedSpecs are n tasks that wait, every third of them until a later moment.
func queuedSpecs(n int) []dispatch.Request {
	out := make([]dispatch.Request, n)
	for i := range out {
		out[i] = dispatch.Request{Queue: true, Spec: task.Spec{Kind: task.KindExpression, Expression: "1s", MaxTries: 1}}
		if i%3 == 0 {
			out[i].Spec.NotBefore = task.Moment{AfterMS: time.Hour.Milliseconds()}
		}
	}
	return out
}

// TestABatchGetsItsIDsInOrder: it needs many calls to the log, of which several are
// under way at once; and what comes later stays behind it.
func TestABatchGetsItsIDsInOrder(t *testing.T) {
	for _, slots := range []int{0, 1} {
		bothWays(t, func(w *world) {
			if slots > 0 {
				w.slave("A", slots)
			}
			hold := make(chan struct{})
			w.log.set(func(l *instantLog) { l.hold = hold })
			const large, small = 9000, 10
			var first, second []dispatch.SubmitResult
			ended := make(chan struct{}, 2)
			go func() {
				first = w.d.SubmitAll(w.t.Context(), queuedSpecs(large))
				ended <- struct{}{}
			}()
			synctest.Wait()
			if slots > 0 { // whose answer they wait for
				time.Sleep(time.Second)
			}
			go func() {
				second = w.d.SubmitAll(w.t.Context(), queuedSpecs(small))
				ended <- struct{}{}
			}()
			synctest.Wait()
			if n := w.log.waiting(); n < 2 || n > 4 {
				w.t.Errorf("%d calls are under way, want several, and no more than 4", n)
			}
			close(hold)
			<-ended
			<-ended
			for i, r := range append(first, second...) {
				if r.Err != nil || r.Answer.Task.ID != task.ID(i+1) {
					w.t.Fatalf("item %d of %d is task %d (%v)", i, large+small, r.Answer.Task.ID, r.Err)
				}
			}
		})
	}
}
