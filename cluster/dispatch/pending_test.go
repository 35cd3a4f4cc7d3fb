package dispatch_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/fsm"
	"muster/task"
)

func queued(r *dispatch.Request) { r.Queue = true }

func withPriority(p task.Priority) func(*dispatch.Request) {
	return func(r *dispatch.Request) { r.Queue, r.Spec.Priority = true, p }
}

// order returns the ids of the tasks that a slave ran, by when they started.
func (w *world) order(ids ...task.ID) []task.ID {
	slices.SortStableFunc(ids, func(a, b task.ID) int { return int(w.task(a).StartedAt - w.task(b).StartedAt) })
	return ids
}

// TestAQueuedTaskWaitsForASlot, and then runs before new ones.
func TestAQueuedTaskWaitsForASlot(t *testing.T) {
	bothWays(t, func(w *world) {
		if first := w.mustSubmit("1s", queued); first.Status != task.Pending {
			w.t.Errorf("without a slave it is %v", first.Status)
		}
		w.slave("A", 1)
		time.Sleep(time.Second / 2)
		second := w.mustSubmit("1s", queued)
		third := w.mustSubmit("1s", queued)
		if second.Status != task.Pending || third.Status != task.Pending {
			w.t.Errorf("they are %v and %v", second.Status, third.Status)
		}
		if _, err := w.submit("1s"); codeOf(err) != task.CodeFullCapacity {
			w.t.Errorf("one that may not wait: %v", err)
		}
		time.Sleep(10 * time.Second)
		if got := w.order(3, 2, 1); !slices.Equal(got, []task.ID{1, 2, 3}) {
			w.t.Errorf("they ran as %v", got)
		}
		if free := w.mustSubmit("1s", queued); free.Slave != "A" {
			w.t.Errorf("with a free slot it is %+v", free)
		}
	})
}

// TestHigherPrioritiesGoFirst, whenever they came, and also after a failover.
func TestHigherPrioritiesGoFirst(t *testing.T) {
	for _, anew := range []bool{false, true} {
		bothWays(t, func(w *world) {
			w.slave("A", 1)
			w.mustSubmit("5s")
			for _, p := range []task.Priority{0, 5, 9, 5, 1} { // tasks 2 to 6
				w.mustSubmit("1s", withPriority(p))
			}
			if anew {
				w.depose()
				w.lead()
			}
			time.Sleep(20 * time.Second)
			if got := w.order(2, 3, 4, 5, 6); !slices.Equal(got, []task.ID{4, 3, 5, 6, 2}) {
				w.t.Errorf("they ran as %v", got)
			}
		})
	}
}

// TestAStreamOfHighPrioritiesStarvesNobody: one in ten that leave is the oldest.
func TestAStreamOfHighPrioritiesStarvesNobody(t *testing.T) {
	bothWays(t, func(w *world) {
		w.slave("A", 1)
		w.mustSubmit("1s")
		low := []task.ID{w.mustSubmit("1s", withPriority(0)).ID, w.mustSubmit("1s", withPriority(0)).ID}
		for range 5 {
			w.mustSubmit("1s", withPriority(9))
		}
		for range 40 { // more than leave
			w.mustSubmit("1s", withPriority(9))
			time.Sleep(time.Second)
		}
		for i, id := range low {
			after := 0
			for other := task.ID(1); other < 40; other++ {
				if at := w.task(other).StartedAt; at > 0 && at < w.task(id).StartedAt {
					after++
				}
			}
			if w.task(id).Status != task.Done || after > 10*(i+1) {
				w.t.Errorf("task %d is %v, and started after %d others", id, w.task(id).Status, after)
			}
		}
	})
}

// TestTheQueueIsBounded, and who finds it full is told.
func TestTheQueueIsBounded(t *testing.T) {
	bothWays(t, func(w *world) {
		w.limit = 3
		w.depose()
		w.lead()
		w.slave("A", 1)
		w.mustSubmit("1h")
		for range 3 {
			w.mustSubmit("1s", queued)
		}
		if _, err := w.submit("1s", queued); codeOf(err) != task.CodeQueueFull {
			w.t.Errorf("a fourth: %v", err)
		}
		if c := w.log.View().Counts(); c.Pending != 3 || c.Submitted != 4 {
			w.t.Errorf("%+v", c)
		}
	})
}

// TestAQueuedTaskOfAnUnknownKindWaitsForASlave. Nobody has said that the kind may
// run twice, so it may not.
func TestAQueuedTaskOfAnUnknownKindWaitsForASlave(t *testing.T) {
	bothWays(t, func(w *world) {
		kind := func(r *dispatch.Request) { r.Queue, r.Spec.Kind = true, "once" }
		waits := w.mustSubmit("1s", kind)
		if waits.Status != task.Pending || waits.Spec.Idempotent {
			w.t.Errorf("it is %+v", waits)
		}
		w.slave("A", 1)
		time.Sleep(5 * time.Second)
		w.wantDone(waits.ID, task.Succeeded, "A")
	})
}

// TestManyThatAreQueuedAtOnceAllRun: more than one entry of the log takes.
func TestManyThatAreQueuedAtOnceAllRun(t *testing.T) {
	bothWays(t, func(w *world) {
		const many = 3000
		w.log.most = 1024
		all := make([]dispatch.Request, many)
		for i := range all {
			all[i] = dispatch.Request{Queue: true, Spec: task.Spec{Kind: task.KindExpression, Expression: "1s", MaxTries: 3, TimeoutMS: 60_000}}
		}
		for i, r := range w.d.SubmitAll(w.t.Context(), all) {
			if r.Err != nil || r.Answer.Task.Status != task.Pending {
				w.t.Fatalf("task %d: %+v, %v", i, r.Answer.Task, r.Err)
			}
		}
		w.slave("A", 2000)
		time.Sleep(10 * time.Second)
		if c := w.log.View().Counts(); c.Done != many {
			w.t.Errorf("%+v", c)
		}
	})
}

// TestManyAreAnsweredWhenTheirDispatcherEnds: each is recorded, or told to go to
// the leader, in whatever moment the dispatcher ends.
func TestManyAreAnsweredWhenTheirDispatcherEnds(t *testing.T) {
	bothWays(t, func(w *world) {
		w.slave("A", 2)
		for range 50 {
			d, answered := w.d, make(chan []dispatch.SubmitResult)
			go func() {
				r := dispatch.Request{Queue: true, Spec: task.Spec{Kind: task.KindExpression, Expression: "1ms", MaxTries: 3, TimeoutMS: 60_000}}
				answered <- d.SubmitAll(w.t.Context(), []dispatch.Request{r, r, r, r})
			}()
			w.depose()
			for i, r := range <-answered {
				if (r.Answer.Task.ID == 0) != (codeOf(r.Err) == task.CodeNotLeader) {
					w.t.Errorf("submit %d: %+v, %v", i, r.Answer.Task, r.Err)
				}
			}
			w.lead()
		}
	})
}

// TestAResultAndTheNextTaskTakeOneEntry: a queue in front of a slave of one slot costs
// one entry for each task, as long as its word serves more than one.
func TestAResultAndTheNextTaskTakeOneEntry(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		const many = 50
		w.slave("A", 1)
		for range many {
			w.mustSubmit("1s", queued)
		}
		before := w.log.View()
		time.Sleep(2 * many * time.Second)
		after := w.log.View()
		if after.Counts().Done != many {
			w.t.Fatalf("%+v", after.Counts())
		}
		ended, entries := after.Counts().Done-before.Counts().Done, after.Index()-before.Index()
		if entries > ended+1 {
			w.t.Errorf("%d tasks took %d entries", ended, entries)
		}
	})
}

// TestATaskBehindAResultThatIsRefusedGoesElsewhere: its slot was not free after all.
func TestATaskBehindAResultThatIsRefusedGoesElsewhere(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		long := w.mustSubmit("1h")
		next := w.mustSubmit("1s", queued)
		// Somebody else ends the attempt before the slave's report is in the log.
		hold := make(chan struct{})
		w.log.set(func(l *instantLog) { l.hold = hold })
		report := task.Report{Slave: "A", Availability: task.Availability{Incarnation: a.incarnation, Counter: 1 << 40, Slots: 1, Free: 1}}
		report.Results = []task.Result{{ID: long.ID, Attempt: 1, Value: task.Value{Type: task.String, Text: "1h"}}}
		verdicts := make(chan []task.Verdict, 1)
		go func() {
			v, err := w.d.Report(w.t.Context(), report)
			if err != nil {
				w.t.Error(err)
			}
			verdicts <- v
		}()
		synctest.Wait()
		w.log.set(func(l *instantLog) { l.hold = nil })
		if _, err := w.log.Propose(w.t.Context(), fsm.Proposal{Command: fsm.CancelTask{ID: long.ID}}); err != nil {
			w.t.Fatal(err)
		}
		close(hold)
		if v := <-verdicts; len(v) != 1 || v[0].Err == nil || v[0].Err.Code != task.CodeStaleAttempt {
			w.t.Errorf("verdicts: %+v", v)
		}
		w.slave("B", 1)
		time.Sleep(5 * time.Second)
		if got := w.task(next.ID); got.Outcome != task.Succeeded {
			w.t.Errorf("the next task: %+v", got)
		}
	})
}
