package dispatch_test

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// errBug is what the faults of this file panic with.
var errBug = errors.New("a mistake")

// crash waits for the dispatcher to have ended with a panic.
func (w *world) crash() {
	w.t.Helper()
	err := <-w.stopped
	p, ok := errors.AsType[*dispatch.PanicError](err)
	if ok {
		_, own := p.Value.(runtime.Error) // of a View that is nil
		ok = own && strings.Contains(p.Stack, "scheduler") || p.Value == any(errBug) && strings.Contains(p.Stack, "dispatch_test")
	}
	if !ok {
		w.t.Errorf("the dispatcher ended with %v", err)
	}
	w.stop()
	w.stop = nil
}

// TestAPanicEndsTheDispatcherAndAnswersAll: whatever part it hits, who waits hears
// what is true, and the next dispatcher goes on.
func TestAPanicEndsTheDispatcherAndAnswersAll(t *testing.T) {
	type codes map[task.Code]bool
	never, maybe := codes{task.CodeNotLeader: true}, codes{task.CodeOutcomeUnknown: true}
	for name, c := range map[string]struct {
		fault    func(f *faults)
		recorded bool  // the submit that hits it
		hit      codes // what it may hear
		waiting  codes // what one hears that waits for a slave's answer
	}{
		"handing over an entry": {func(f *faults) { f.append = true }, false, maybe, never},
		"taking in an entry":    {func(f *faults) { f.committed = true }, true, maybe, never},
		"the state":             {func(f *faults) { f.view.Store(true) }, false, codes{task.CodeInternal: true}, never},
		"a barrier":             {func(f *faults) { f.barrier = true }, false, never, never},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, time.Second, func(w *world) {
				w.slave("A", 4)
				w.labelled("B", 1, "b=1")
				has := w.mustSubmit("20s")
				time.Sleep(5 * time.Second)
				w.wire.slaves["http://B"].set(func(s *slave) { s.silent = true })
				var all sync.WaitGroup
				all.Go(func() {
					if _, err := w.submit("1s", requiring("b=1")); !c.waiting[codeOf(err)] {
						w.t.Errorf("one that waits for a slave heard %v", err)
					}
				})
				synctest.Wait()
				c.fault(&w.log.faults)
				requires := ""
				if name == "a barrier" {
					requires = "none=1"
				}
				all.Go(func() {
					if _, err := w.submit("1s", withKey, requiring(requires)); !c.hit[codeOf(err)] {
						w.t.Errorf("the one that hit it heard %v", err)
					}
				})
				w.crash()
				all.Wait()
				w.log.mend()
				if _, err := w.submit("1s"); codeOf(err) != task.CodeNotLeader {
					w.t.Errorf("a later one heard %v", err)
				}
				if _, recorded := w.log.View().TaskByKey("k"); recorded != c.recorded {
					w.t.Errorf("recorded: %t", recorded)
				}
				w.lead()
				next := w.mustSubmit("1s")
				time.Sleep(time.Minute)
				w.wantDone(next.ID, task.Succeeded, "A")
				w.wantDone(has.ID, task.Succeeded, "A")
			})
		})
	}
}

// TestACallThatAPanicCutShortMayHaveBeenDone: a cancellation, say, was committed.
func TestACallThatAPanicCutShortMayHaveBeenDone(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		w.slave("A", 1)
		long := w.mustSubmit("1h")
		w.log.faults.committed = true
		if _, err := w.d.Cancel(w.t.Context(), long.ID); codeOf(err) != task.CodeOutcomeUnknown {
			w.t.Errorf("heard %v", err)
		}
		w.crash()
		w.log.mend()
		w.wantDone(long.ID, task.Cancelled, "A")
		w.lead()
	})
}

// TestASubmitThatMadeADispatcherPanicIsRefused: by the next one, for a while, while
// others are served.
func TestASubmitThatMadeADispatcherPanicIsRefused(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		w.slave("A", 4)
		w.log.faults.view.Store(true)
		bad := func() error { _, err := w.submit("1s", withKey); return err }
		if err := bad(); codeOf(err) != task.CodeInternal {
			w.t.Errorf("the first time: %v", err)
		}
		w.crash()
		w.log.mend()
		w.lead()
		if err := bad(); codeOf(err) != task.CodeInternal {
			w.t.Errorf("the second time: %v", err)
		}
		w.mustSubmit("1s")
		w.mustSubmit("1s", func(r *dispatch.Request) { r.Key = "another" })
		time.Sleep(11 * time.Minute)
		if err := bad(); err != nil {
			w.t.Errorf("much later: %v", err)
		}
	})
}

// TestAWaitingTaskThatMadeADispatcherPanicIsSetAside: the others go on, and it is
// tried again later.
func TestAWaitingTaskThatMadeADispatcherPanicIsSetAside(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		w.slave("A", 1)
		w.mustSubmit("500ms")
		bad, good := w.mustSubmit("1s", queued), w.mustSubmit("1s", queued)
		time.Sleep(400 * time.Millisecond)
		w.log.faults.view.Store(true) // it is looked at when the slot is free
		w.crash()
		w.log.mend()
		w.lead()
		time.Sleep(5 * time.Second)
		w.wantDone(good.ID, task.Succeeded, "A")
		if got := w.task(bad.ID); got.Status != task.Pending {
			w.t.Errorf("what made it panic is %+v", got)
		}
		time.Sleep(10 * time.Minute)
		w.wantDone(bad.ID, task.Succeeded, "A")
	})
}

// TestAPanicOverOneSlaveIsThatSlavesSilence: the request shares nothing with the
// rest, which goes on.
func TestAPanicOverOneSlaveIsThatSlavesSilence(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		w.slave("A", 1)
		w.slave("B", 1)
		time.Sleep(time.Minute)
		w.wire.before(func(string) error { panic(errBug) })
		go func() { _, _ = w.submit("1s") }()
		time.Sleep(time.Second)
		w.wire.before(nil)
		if w.panics.Load() < 2 { // it asked both
			w.t.Errorf("%d panics were counted", w.panics.Load())
		}
		time.Sleep(time.Minute)
		done := w.mustSubmit("1s")
		time.Sleep(2 * time.Second)
		w.wantDone(done.ID, task.Succeeded, "A")
	})
}

// TestPanicsOpenTheBreaker: the first hands leadership on; from then on it is kept,
// without a dispatcher for ever longer, up to a minute; quiet closes it.
func TestPanicsOpenTheBreaker(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		w.depose()
		for i, want := range []int{0, 1, 2, 4, 8, 16, 32, 60, 60} {
			w.log.faults.open = true
			w.lead()
			w.crash()
			pause, n := w.breaker.Pause()
			if int(pause.Seconds()) != want || n != i+1 || int(w.panics.Load()) != i+1 {
				w.t.Errorf("after panic %d: a pause of %v, %d panics remembered, %d counted", i+1, pause, n, w.panics.Load())
			}
			time.Sleep(pause)
		}
		time.Sleep(10 * time.Minute)
		w.lead()
		w.crash()
		if pause, n := w.breaker.Pause(); pause != 0 || n != 1 {
			w.t.Errorf("after a quiet time: a pause of %v, %d panics remembered", pause, n)
		}
		w.log.mend()
		w.lead()
	})
}

// TestADispatcherFollowsAnotherInTheSameTerm: slaves take its requests, although
// they refuse what is numbered lower than before.
func TestADispatcherFollowsAnotherInTheSameTerm(t *testing.T) {
	bothWays(t, func(w *world) {
		w.slave("A", 2)
		long := w.mustSubmit("1m")
		for range 5 {
			w.mustSubmit("1s")
			time.Sleep(5 * time.Second)
		}
		w.depose()
		w.term--
		w.lead()
		for range 5 {
			w.mustSubmit("1s")
			time.Sleep(5 * time.Second)
		}
		time.Sleep(time.Minute)
		w.wantDone(long.ID, task.Succeeded, "A")
		if got := w.task(long.ID); got.Attempt != 1 {
			w.t.Errorf("it took %d attempts", got.Attempt)
		}
	})
}

// faults are what makes a dispatcher on an instantLog panic.
type faults struct {
	append, committed, barrier, open bool

	view atomic.Bool
}

// mend ends all faults.
func (l *instantLog) mend() {
	l.faults.append, l.faults.committed, l.faults.barrier, l.faults.open = false, false, false, false
	l.faults.view.Store(false)
}
