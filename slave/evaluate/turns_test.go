package evaluate

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/systemtest/timelimit"
)

// TestABusyProcessIsNotKilled gives a process more to compute than it can. It must
// still stop single tasks in time, and not be taken for one that hangs.
func TestABusyProcessIsNotKilled(t *testing.T) {
	p := newPoolOf(t, genuine, 1)
	ctx := timelimit.Context(t)
	before := p.pick(t)
	long := order(strings.Repeat("isprime(9007199254740881) && ", 9) + "true")
	const tasks = 400
	busy, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	for range tasks {
		wg.Go(func() {
			if v, err := p.Evaluate(busy, long); !errors.Is(err, context.Canceled) {
				t.Errorf("it was to be stopped: %v, %v", v, err)
			}
		})
	}
	p.awaitLoad(ctx, t, tasks)
	for range 3 {
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		if v, err := p.Evaluate(short, long); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it was to be late: %v, %v", v, err)
		}
		cancel()
	}
	stop()
	wg.Wait()
	if p.pick(t) != before {
		t.Error("the process was replaced")
	}
}

// TestTurns has one turn for all: who sleeps leaves it to the others, and who
// waits for it can be stopped.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(nil)
		e.turns = make(turns, 1)
		start := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if v, err := e.Evaluate(t.Context(), order("sleep(1) + sleep(1)")); err != nil || v.Text != "2" {
					t.Errorf("%v, %v", v, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("20 sleepers took %v: they waited for each other", took)
		}
		stopped := errors.New("stopped by the test")
		e.turns <- struct{}{} // somebody computes
		ctx, cancel := context.WithCancelCause(t.Context())
		wg.Go(func() {
			if v, err := e.Evaluate(ctx, order("1 + 1")); !errors.Is(err, stopped) {
				t.Errorf("it had no turn: %v, %v", v, err)
			}
		})
		asleep, wake := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, stopped)
		defer wake()
		wg.Go(func() {
			if v, err := e.Evaluate(asleep, order("sleep(1)")); !errors.Is(err, stopped) {
				t.Errorf("it had no turn: %v, %v", v, err)
			}
		})
		synctest.Wait()
		cancel(stopped)
		wg.Wait()
		<-e.turns
		if _, err := e.Evaluate(t.Context(), order("1 +")); err == nil {
			t.Error("no failure")
		}
		if n := len(e.turns); n != 0 {
			t.Errorf("%d turns were never given back", n)
		}
	})
}

// TestCallsTakeTurns has a short evaluation wait while a long one computes: it
// comes in at the next call.
func TestCallsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(nil)
		e.turns = make(turns, 1)
		e.turns <- struct{}{} // somebody computes, until both stand in line
		done := make(chan error, 1)
		go func() {
			_, err := e.Evaluate(t.Context(), order("abs(1) + abs(2)"))
			done <- err
		}()
		synctest.Wait()
		short := &turn{of: e.turns}
		came := make(chan error, 1)
		go func() { came <- short.take(t.Context()) }()
		synctest.Wait()
		<-e.turns
		if err := <-came; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(done) > 0 {
			t.Error("the short one came in when the long one was through")
		}
		short.release()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
