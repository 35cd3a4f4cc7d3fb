package dispatch_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

func notBefore(d time.Duration) func(*dispatch.Request) {
	return func(r *dispatch.Request) { r.Spec.NotBefore = task.Moment{AfterMS: d.Milliseconds()} }
}

func deadline(d time.Duration) func(*dispatch.Request) {
	return func(r *dispatch.Request) { r.Spec.Deadline = task.Moment{AfterMS: d.Milliseconds()} }
}

// anew runs a test with one dispatcher, and with another that takes over when the
// test says so.
func anew(t *testing.T, test func(w *world, takeOver func())) {
	t.Helper()
	t.Run("the same leads on", func(t *testing.T) {
		bothWays(t, func(w *world) { test(w, func() {}) })
	})
	t.Run("another takes over", func(t *testing.T) {
		bothWays(t, func(w *world) {
			test(w, func() {
				w.depose()
				w.lead()
			})
		})
	})
}

// started is how long after its submit a task was given to a slave.
func started(t task.Task) time.Duration {
	return time.Duration(t.StartedAt-t.SubmittedAt) * time.Millisecond
}

func finished(t task.Task) time.Duration {
	return time.Duration(t.FinishedAt-t.SubmittedAt) * time.Millisecond
}

func TestADelayedTaskStartsWhenItIsReady(t *testing.T) {
	anew(t, func(w *world, takeOver func()) {
		w.slave("A", 1)
		delayed := w.mustSubmit("1s", notBefore(10*time.Second))
		if delayed.Status != task.Pending {
			w.t.Fatalf("%+v", delayed)
		}
		at := time.UnixMilli(int64(delayed.SubmittedAt)).Add(20 * time.Second)
		other := w.mustSubmit("1s", func(r *dispatch.Request) { r.Spec.NotBefore = task.Moment{At: task.Millis(at.UnixMilli())} })
		between := w.mustSubmit("1s") // it is in nobody's way
		time.Sleep(5 * time.Second)
		takeOver()
		time.Sleep(20 * time.Second)
		for want, id := range map[time.Duration]task.ID{10 * time.Second: delayed.ID, 20 * time.Second: other.ID, 0: between.ID} {
			w.wantDone(id, task.Succeeded, "A")
			if got := started(w.task(id)); got < want || got > want+100*time.Millisecond {
				w.t.Errorf("task %d started %s after its submit; want %s", id, got, want)
			}
		}
	})
}

// A delayed task is recorded when nobody could take it now: it is not now that
// somebody must. Then it waits like any other.
func TestADelayedTaskIsRecordedWhateverIsFree(t *testing.T) {
	bothWays(t, func(w *world) {
		kind := func(r *dispatch.Request) { r.Spec.Kind = "once" }
		none := w.mustSubmit("1s", notBefore(time.Second), kind)
		time.Sleep(5 * time.Second)
		if got := w.task(none.ID); got.Status != task.Pending {
			w.t.Fatalf("%+v", got)
		}
		w.slave("A", 1)
		time.Sleep(2 * time.Second)
		w.wantDone(none.ID, task.Succeeded, "A")

		long := w.mustSubmit("10s")
		delayed := w.mustSubmit("1s", notBefore(time.Second))
		time.Sleep(5 * time.Second)
		late := w.mustSubmit("1s", queued)
		time.Sleep(10 * time.Second)
		if w.task(long.ID).FinishedAt > w.task(delayed.ID).StartedAt || w.task(delayed.ID).FinishedAt > w.task(late.ID).StartedAt {
			w.t.Errorf("long %+v\ndelayed %+v\nlate %+v", w.task(long.ID), w.task(delayed.ID), w.task(late.ID))
		}
	})
}

func TestDelayedTasksFillTheQueueToo(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		w.depose()
		w.limit = 1
		w.lead()
		w.mustSubmit("1s", notBefore(time.Hour))
		if _, err := w.submit("1s", notBefore(time.Hour)); codeOf(err) != task.CodeQueueFull {
			w.t.Errorf("got %v", err)
		}
	})
}

func TestATaskExpiresAtItsDeadline(t *testing.T) {
	anew(t, func(w *world, takeOver func()) {
		s := w.slave("A", 2)
		running, other := w.mustSubmit("1h", deadline(10*time.Second)), w.mustSubmit("1h")
		waiting := w.mustSubmit("1s", queued, deadline(10*time.Second))
		delayed := w.mustSubmit("1s", notBefore(time.Minute), deadline(2*time.Minute))
		never := w.mustSubmit("1s", queued, deadline(time.Hour))
		time.Sleep(9 * time.Second)
		takeOver()
		for _, id := range []task.ID{running.ID, waiting.ID} {
			if got := w.task(id); got.Status == task.Done {
				w.t.Errorf("task %d is done early: %+v", id, got)
			}
		}
		time.Sleep(2 * time.Second)
		w.wantDone(running.ID, task.Expired, "A")
		w.wantDone(waiting.ID, task.Expired, "")
		for _, id := range []task.ID{running.ID, waiting.ID} {
			if got := finished(w.task(id)); got < 10*time.Second || got > 10*time.Second+200*time.Millisecond {
				w.t.Errorf("task %d expired %s after its submit", id, got)
			}
		}
		time.Sleep(2 * time.Second)
		w.wantDone(never.ID, task.Succeeded, "A")
		if a, _ := s.worker.Available(task.Stamp{}); a.Free != 1 {
			w.t.Errorf("%d slots are free; the expired one's is, and the other's is not", a.Free)
		}
		if got := w.task(other.ID); got.Status != task.InProgress {
			w.t.Errorf("without a deadline: %+v", got)
		}
		time.Sleep(2 * time.Minute)
		w.wantDone(delayed.ID, task.Succeeded, "A")
		time.Sleep(2 * time.Hour)
		w.wantDone(never.ID, task.Succeeded, "A")
	})
}

func TestADeadlineThatCanNotBeKeptIsRefused(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		w.slave("A", 1)
		now := task.Millis(time.Now().UnixMilli())
		for name, spec := range map[string]task.Spec{
			"passed":            {Deadline: task.Moment{At: now}},
			"before the start":  {Deadline: task.Moment{At: now + 1000}, NotBefore: task.Moment{AfterMS: 1000}},
			"before, both ways": {Deadline: task.Moment{AfterMS: 500}, NotBefore: task.Moment{At: now + 600}},
		} {
			_, err := w.submit("1s", func(r *dispatch.Request) { r.Spec.NotBefore, r.Spec.Deadline = spec.NotBefore, spec.Deadline })
			if codeOf(err) != task.CodeInvalidRequest {
				w.t.Errorf("%s: %v", name, err)
			}
		}
		// A key is looked up first: what was recorded is answered.
		first := w.mustSubmit("1s", withKey, deadline(time.Second))
		time.Sleep(time.Minute)
		again, err := w.submit("1s", withKey, deadline(time.Second))
		if err != nil || !again.Existing || again.Task.ID != first.ID {
			w.t.Errorf("repeated: %+v, %v", again, err)
		}
		if _, err := w.submit("1s", withKey, deadline(2*time.Second)); codeOf(err) != task.CodeKeyReused {
			w.t.Errorf("another deadline: %v", err)
		}
	})
}

// A try that came to nothing is followed by a wait, which doubles, and which a new
// leader goes on with.
func TestTheNextTryWaits(t *testing.T) {
	anew(t, func(w *world, takeOver func()) {
		s := w.slave("A", 1)
		again := w.mustSubmit("1h", func(r *dispatch.Request) { r.Spec.BackoffMS = 10_000 })
		for try, wait := range []time.Duration{10 * time.Second, 20 * time.Second} {
			time.Sleep(time.Second)
			s.restart()
			if err := w.register(s); err != nil {
				w.t.Fatal(err)
			}
			began := time.Now()
			time.Sleep(wait / 2)
			takeOver()
			if got := w.task(again.ID); got.Status != task.Pending || got.Tries != uint32(try+1) {
				w.t.Fatalf("half a wait after try %d: %+v", try+1, got)
			}
			time.Sleep(wait / 2)
			time.Sleep(time.Second)
			got := w.task(again.ID)
			if waited := time.UnixMilli(int64(got.StartedAt)).Sub(began); got.Status != task.InProgress || waited < wait-time.Millisecond || waited > wait+200*time.Millisecond {
				w.t.Errorf("after try %d it waited %s, want %s: %+v", try+1, waited, wait, got)
			}
		}
	})
}

// The cluster's clock may be set forward; who waits for it learns of it soon.
func TestAClockThatIsSetForwardIsNoticed(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		w.depose()
		var ahead atomic.Int64
		w.clock = func() task.Millis { return task.Millis(time.Now().UnixMilli() + ahead.Load()) }
		w.lead()
		w.slave("A", 1)
		delayed := w.mustSubmit("1s", notBefore(time.Hour))
		time.Sleep(time.Second)
		ahead.Store(time.Hour.Milliseconds())
		time.Sleep(3 * time.Second)
		w.wantDone(delayed.ID, task.Succeeded, "A")
	})
}

// What can't be committed now is tried again, and many that expire at once don't
// crowd out the rest.
func TestExpiriesAreTriedAgainAndBounded(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		const many = 3000
		for range many {
			w.mustSubmit("1s", queued, deadline(time.Minute), notBefore(30*time.Second))
		}
		time.Sleep(59 * time.Second)
		w.log.set(func(l *instantLog) { l.refuse, l.most = task.Refuse(task.CodeOverloaded, "too much"), 1024 })
		time.Sleep(5 * time.Second)
		if c := w.log.View().Counts(); c.Pending != many {
			w.t.Fatalf("%+v", c)
		}
		w.log.set(func(l *instantLog) { l.refuse = nil })
		time.Sleep(5 * time.Second)
		if c := w.log.View().Counts(); c.Done != many {
			w.t.Errorf("%+v", c)
		}
		synctest.Wait()
	})
}
