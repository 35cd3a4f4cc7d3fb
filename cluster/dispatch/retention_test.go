package dispatch_test

import (
	"testing"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// keeping starts the dispatcher anew with a retention, and a slave.
func (w *world) keeping(r dispatch.Retention) {
	w.t.Helper()
	w.retention = r
	w.depose()
	w.lead()
	w.slave("A", 10)
}

func (w *world) finish(n int) {
	w.t.Helper()
	for range n {
		w.mustSubmit("1s")
		time.Sleep(time.Second)
	}
	time.Sleep(time.Second)
}

func (w *world) wantForgotten(n uint64) {
	w.t.Helper()
	if c := w.log.View().Counts(); c.Forgotten != n {
		w.t.Errorf("%d tasks of %d are forgotten, want %d", c.Forgotten, c.Done, n)
	}
}

// TestTheOldestOfTooManyAreForgotten, once they have been done for long enough,
// and only they.
func TestTheOldestOfTooManyAreForgotten(t *testing.T) {
	bothWays(t, func(w *world) {
		w.keeping(dispatch.Retention{Tasks: 10, Min: 5 * time.Minute})
		w.finish(30)
		running := w.mustSubmit("1h", func(r *dispatch.Request) { r.Spec.TimeoutMS = 7_200_000 })
		time.Sleep(4 * time.Minute)
		w.wantForgotten(0)
		time.Sleep(2 * time.Minute)
		w.wantForgotten(20)
		for id := task.ID(1); id <= 30; id++ {
			if _, kept := w.log.View().Task(id); kept != (id > 20) {
				w.t.Errorf("task %d is kept: %t", id, kept)
			}
		}
		if got := w.task(running.ID); got.Status != task.InProgress {
			w.t.Errorf("%+v", got)
		}
		again := func(r *dispatch.Request) { r.Spec.RetryOf = 1 }
		if _, err := w.submit("1s", again); codeOf(err) != task.CodeTaskForgotten {
			w.t.Errorf("retry of a forgotten task: %v", err)
		}
	})
}

// TestOldTasksAreForgotten by their age; and in steps, if they are many.
func TestOldTasksAreForgotten(t *testing.T) {
	bothWays(t, func(w *world) {
		w.keeping(dispatch.Retention{Age: time.Hour, Min: time.Minute})
		all := make([]dispatch.Request, 2500)
		for i := range all {
			all[i] = dispatch.Request{Queue: true, Spec: task.Spec{Kind: task.KindExpression, Expression: "1ms", MaxTries: 3, TimeoutMS: 60_000}}
		}
		w.d.SubmitAll(w.t.Context(), all)
		time.Sleep(50 * time.Minute)
		w.wantForgotten(0)
		w.finish(1)
		time.Sleep(11 * time.Minute)
		w.wantForgotten(2500)
		time.Sleep(time.Hour)
		w.wantForgotten(2501)
	})
}

// TestNoTaskIsForgottenTooYoung, whatever the clocks of leaders say, and although
// the memory is full: new tasks are refused then.
func TestNoTaskIsForgottenTooYoung(t *testing.T) {
	for name, skew := range map[string]time.Duration{"right": 0, "an hour behind": -time.Hour, "an hour ahead": time.Hour} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.log.set(func(l *instantLog) { l.skew = skew })
				w.keeping(dispatch.Retention{Bytes: 100, Age: 10 * time.Minute, Min: 10 * time.Minute})
				w.finish(5)
				time.Sleep(time.Minute)
				if _, err := w.submit("1s"); codeOf(err) != task.CodeRetentionFull {
					w.t.Errorf("a submit with no memory left: %v", err)
				}
				time.Sleep(8 * time.Minute)
				w.wantForgotten(0)
				w.depose() // the next knows nothing of how long they have been done
				w.lead()
				time.Sleep(9 * time.Minute)
				w.wantForgotten(0)
				time.Sleep(3 * time.Minute)
				w.mustSubmit("1s")
				if c := w.log.View().Counts(); c.Forgotten == 0 {
					w.t.Errorf("%+v", c)
				}
			})
		})
	}
}
