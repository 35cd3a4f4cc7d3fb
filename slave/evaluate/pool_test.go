package evaluate

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/systemtest/timelimit"
	"muster/task"
)

func TestPoolComputes(t *testing.T) {
	p := newPoolOf(t, genuine, 2)
	ctx := timelimit.Context(t)
	v, err := p.Evaluate(ctx, order("2 + 3*x", num("x", "4")))
	if err != nil || v != (task.Value{Type: task.Number, Text: "14"}) {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := p.Evaluate(ctx, order("1 +")); err == nil || retryable(err) {
		t.Errorf("a wrong expression: %v; want a failure for good", err)
	}
}

// TestManySleepersInFewProcesses has 512 tasks wait at once.
func TestManySleepersInFewProcesses(t *testing.T) {
	p := newPool(t, 2)
	ctx := timelimit.Context(t)
	start := time.Now()
	var wg sync.WaitGroup
	for range 512 {
		wg.Go(func() {
			if _, err := p.Evaluate(ctx, order("sleep(1)")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > timelimit.Of(t, 10*time.Second) { // one after the other they take four minutes
		t.Errorf("512 sleeps of a second took %v", took)
	}
}

func TestACancelledTaskStopsAtOnce(t *testing.T) {
	p := newPool(t, 1)
	ctx := timelimit.Context(t)
	before, err := p.Evaluate(ctx, order("pid"))
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err = p.Evaluate(short, order("sleep(100)")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	if took := time.Since(start); took > timelimit.Of(t, 10*time.Second) {
		t.Errorf("took %v to stop", took)
	}
	after, err := p.Evaluate(ctx, order("pid"))
	if err != nil || after != before {
		t.Errorf("the process was replaced: %v, %v, before %v", after, err, before)
	}
}

func TestCloseDuringWork(t *testing.T) {
	p := newPool(t, 2)
	ctx := timelimit.Context(t)
	failed := make(chan error, 8)
	for range 8 {
		go func() {
			_, err := p.Evaluate(ctx, order("sleep(100)"))
			failed <- err
		}()
	}
	p.awaitLoad(ctx, t, 8)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for range 8 {
		if err := <-failed; !errors.Is(err, errClosed) {
			t.Errorf("a task at the end: %v", err)
		}
	}
	if _, err := p.Evaluate(ctx, order("1")); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// TestCloseEndsThoseThatRunAlone closes a pool whose tasks are in processes of
// their own, or wait for one.
func TestCloseEndsThoseThatRunAlone(t *testing.T) {
	p := newPool(t, 1)
	ctx := timelimit.Context(t)
	process := p.process(ctx, t)
	const tasks = maxAlone + 4
	failed := make(chan error, tasks)
	for range tasks {
		go func() {
			_, err := p.Evaluate(ctx, order("sleep(100)"))
			failed <- err
		}()
	}
	p.awaitLoad(ctx, t, tasks)
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	for len(p.quarantine) < maxAlone && ctx.Err() == nil {
		runtime.Gosched()
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	for range tasks {
		if err := <-failed; !errors.Is(err, errClosed) || !retryable(err) {
			t.Errorf("a task at the end: %v", err)
		}
	}
	if len(p.alive) > 0 {
		t.Errorf("%d processes are left", len(p.alive))
	}
	if err := p.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

func TestACommandThatIsNone(t *testing.T) {
	p, err := NewPool(PoolConfig{Command: []string{"/does/not/exist"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Evaluate(t.Context(), order("1")); err == nil || !strings.Contains(err.Error(), "/does/not/exist") || !retryable(err) {
		t.Errorf("%v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkPool(b *testing.B) {
	b.Setenv(childEnv, genuine)
	p, err := NewPool(PoolConfig{Command: []string{os.Args[0]}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	for b.Loop() {
		if _, err := p.Evaluate(b.Context(), order("2+3*x", num("x", "4"))); err != nil {
			b.Fatal(err)
		}
	}
}
