package evaluate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/systemtest/timelimit"
	"muster/task"
)

// TestARunawayIsKilledAloneInEffect stops a computation that ignores its
// cancellation; those beside it in the same process end well.
func TestARunawayIsKilledAloneInEffect(t *testing.T) {
	p := newPool(t, 1)
	ctx := timelimit.Context(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if v, err := p.Evaluate(ctx, order("sleep(2) + 1")); err != nil || v.Text != "3" {
				t.Errorf("beside a runaway: %v, %v", v, err)
			}
		})
	}
	limit := errors.New("timed out in the test")
	short, cancel := context.WithTimeoutCause(ctx, 500*time.Millisecond, limit)
	defer cancel()
	if _, err := p.Evaluate(short, order("hang")); !errors.Is(err, limit) {
		t.Errorf("the runaway: %v", err)
	}
	wg.Wait()
}

// TestDeath has a task's process die: it is tried alone, and then said to be the
// cause; tasks beside it go on.
func TestDeath(t *testing.T) {
	for _, cause := range []string{"die", "eat"} {
		t.Run(cause, func(t *testing.T) {
			if cause == "eat" && runtime.GOOS != "linux" {
				t.Skip("only Linux bounds a process's memory")
			}
			p := newPool(t, 1)
			ctx := timelimit.Context(t)
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if v, err := p.Evaluate(ctx, order("sleep(0.5) + 1")); err != nil || v.Text != "1.5" {
						t.Errorf("beside a death: %v, %v", v, err)
					}
				})
			}
			_, err := p.Evaluate(ctx, order(cause))
			if !errors.As(err, new(DiedError)) || !retryable(err) {
				t.Errorf("%s: %v", cause, err)
			}
			wg.Wait()
			if v, err := p.Evaluate(ctx, order("1+1")); err != nil || v.Text != "2" {
				t.Errorf("afterwards: %v, %v", v, err)
			}
		})
	}
}

// TestAProcessKilledFromOutside loses its process while it waits. Many innocent
// tasks, each alone in a process for a while: they must not stand in one line.
func TestAProcessKilledFromOutside(t *testing.T) {
	p := newPool(t, 1)
	ctx := timelimit.Context(t)
	process := p.process(ctx, t)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if v, err := p.Evaluate(ctx, order("sleep(1)")); err != nil || v.Text != "1" {
				t.Errorf("its task: %v, %v", v, err)
			}
		})
	}
	p.awaitLoad(ctx, t, 16)
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	most, done := 0, make(chan struct{})
	go func() { defer close(done); wg.Wait() }()
	for ended := false; !ended; {
		select {
		case <-done:
			ended = true
		case <-time.After(time.Millisecond):
			most = max(most, len(p.quarantine))
		}
	}
	if most < 2 {
		t.Errorf("%d at once were alone in a process: one after the other", most)
	}
}

// TestALongErrorStaysAnError has the library write a whole value into an error,
// in characters that JSON writes sixfold; the process must outlive it.
func TestALongErrorStaysAnError(t *testing.T) {
	p := newPool(t, 1)
	ctx := timelimit.Context(t)
	before := p.process(ctx, t).Pid
	for _, o := range []task.Order{order("shout"), order("(s"+strings.Repeat("+s", 15)+") * 1", str("s", strings.Repeat("\x01", 4096)))} {
		_, err := p.Evaluate(ctx, o)
		if err == nil || retryable(err) || len(err.Error()) > task.MaxErrorBytes {
			t.Errorf("%.20s: an error of %d bytes, %.40q; want one of the expression, at most %d bytes", o.Expression, len(fmt.Sprint(err)), err, task.MaxErrorBytes)
		}
	}
	if after := p.process(ctx, t).Pid; after != before {
		t.Error("the process did not survive")
	}
}

// TestManyThatWantMuchShareAProcess has many at once use as much memory as one
// expression can.
func TestManyThatWantMuchShareAProcess(t *testing.T) {
	p := newPool(t, 1)
	ctx := timelimit.Context(t)
	before := p.process(ctx, t).Pid
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			if i%20 == 0 {
				if v, err := p.Evaluate(ctx, order("nthprime(20000)")); err != nil || v.Text != "224737" {
					t.Errorf("a prime: %v, %v", v, err)
				}
				return
			}
			_, err := p.Evaluate(ctx, order("s"+strings.Repeat("+s", 255), str("s", strings.Repeat("a", 4096))))
			if err == nil || !strings.Contains(err.Error(), "at most 65536") {
				t.Errorf("a string of 1 MiB: %v", err)
			}
		})
	}
	wg.Wait()
	if after := p.process(ctx, t).Pid; after != before {
		t.Error("the process did not survive")
	}
}

// TestAnAnswerTellsWhoseFaultItIs looks at what a process says of an evaluation
// that failed: when the process itself ends, the expression is not to blame.
func TestAnAnswerTellsWhoseFaultItIs(t *testing.T) {
	wrong := errors.New("wrong")
	if _, err := answerTo(t.Context(), 1, task.Value{}, wrong).result(); err == nil || err.Error() != "wrong" {
		t.Errorf("a wrong expression: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := answerTo(ended, 1, task.Value{}, wrong).result(); !errors.Is(err, errDied) {
		t.Errorf("stopped by the process's end: %v", err)
	}
	one := task.Value{Type: task.Number, Text: "1"}
	if v, err := answerTo(ended, 1, one, nil).result(); err != nil || v != one {
		t.Errorf("done in time: %v, %v", v, err)
	}
}

// TestProcessesThatEndAtOnce are not started over and over.
func TestProcessesThatEndAtOnce(t *testing.T) {
	p := newPoolOf(t, stillborn, 1)
	ctx := timelimit.Context(t)
	for range 3 {
		if _, err := p.Evaluate(ctx, order("1")); !errors.As(err, new(DiedError)) {
			t.Errorf("%v", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if pause := p.starts[0].pause; pause < 4*firstPause {
		t.Errorf("after three deaths the next start waits for %v only", pause)
	}
}

// TestMemoryIsWatched is about systems that have no limit of their own.
func TestMemoryIsWatched(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	watchMemory(ctx, 1<<40) // enough: it returns when ctx ends
	defer func() {
		if p := recover(); p == nil {
			t.Error("a byte was enough")
		}
	}()
	watchMemory(t.Context(), 1)
}
