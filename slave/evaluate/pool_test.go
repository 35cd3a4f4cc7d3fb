package evaluate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"muster/task"
)

// childEnv makes the test binary a child process.
const childEnv = "MUSTER_TEST_EVALUATE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		if err := limitMemory(ChildMemory); err != nil {
			panic(err)
		}
		if err := serve(context.Background(), os.Stdin, os.Stdout, misbehave); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// misbehave does what no expression is known to do, besides computing.
func misbehave(ctx context.Context, o task.Order) (task.Value, error) {
	switch o.Expression {
	case "hang":
		for {
			runtime.Gosched()
		}
	case "die":
		os.Exit(3) //nolint:revive // dying is its purpose
	case "eat":
		var eaten [][]byte
		for {
			b := make([]byte, 16<<20)
			for i := range b {
				b[i] = 1
			}
			eaten = append(eaten, b)
			if len(eaten) > 1000 {
				return task.Value{}, errors.New("ate 16 GB")
			}
		}
	case "pid":
		return task.Value{Type: task.Number, Text: fmt.Sprint(os.Getpid())}, nil
	}
	return New(nil).Evaluate(ctx, o)
}

func newPool(t *testing.T, children int) *Pool {
	t.Helper()
	t.Setenv(childEnv, "1")
	p, err := NewPool(PoolConfig{Command: []string{os.Args[0]}, Children: children})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestPoolComputes(t *testing.T) {
	p := newPool(t, 2)
	ctx := within(t, 20*time.Second)
	v, err := p.Evaluate(ctx, order("2 + 3*x", num("x", "4")))
	if err != nil || v != (task.Value{Type: task.Number, Text: "14"}) {
		t.Errorf("%v, %v", v, err)
	}
	if _, err := p.Evaluate(ctx, order("1 +")); err == nil || retryable(err) {
		t.Errorf("a wrong expression: %v; want a failure for good", err)
	}
}

func retryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}

// TestManySleepersInFewProcesses has 512 tasks wait at once.
func TestManySleepersInFewProcesses(t *testing.T) {
	p := newPool(t, 2)
	ctx := within(t, 20*time.Second)
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
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("512 sleeps of a second took %v", took)
	}
}

// TestARunawayIsKilledAloneInEffect stops a computation that ignores its
// cancellation; those beside it in the same process end well.
func TestARunawayIsKilledAloneInEffect(t *testing.T) {
	p := newPool(t, 1)
	ctx := within(t, 30*time.Second)
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

func TestACancelledTaskStopsAtOnce(t *testing.T) {
	p := newPool(t, 1)
	ctx := within(t, 20*time.Second)
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
	if took := time.Since(start); took > 400*time.Millisecond {
		t.Errorf("took %v to stop", took)
	}
	after, err := p.Evaluate(ctx, order("pid"))
	if err != nil || after != before {
		t.Errorf("the process was replaced: %v, %v, before %v", after, err, before)
	}
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
			ctx := within(t, 60*time.Second)
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

// TestAProcessKilledFromOutside loses its process while it waits.
func TestAProcessKilledFromOutside(t *testing.T) {
	p := newPool(t, 1)
	ctx := within(t, 30*time.Second)
	v, err := p.Evaluate(ctx, order("pid"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(v.Text, &pid); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		slept, sleepErr := p.Evaluate(ctx, order("sleep(1)"))
		if sleepErr == nil && slept.Text != "1" {
			sleepErr = fmt.Errorf("got %v", slept)
		}
		done <- sleepErr
	}()
	p.awaitLoad(ctx, t, 1)
	child, err := os.FindProcess(pid)
	if err == nil {
		err = child.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("its task: %v", err)
	}
}

// awaitLoad waits until the pool's children have n requests.
func (p *Pool) awaitLoad(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	for ctx.Err() == nil {
		p.mu.Lock()
		load := 0
		for _, c := range p.children {
			if c != nil {
				load += max(0, c.load())
			}
		}
		p.mu.Unlock()
		if load >= n {
			return
		}
		runtime.Gosched()
	}
	t.Fatal("the requests did not arrive")
}

func TestCloseDuringWork(t *testing.T) {
	p := newPool(t, 2)
	ctx := within(t, 30*time.Second)
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

func TestACommandThatIsNone(t *testing.T) {
	p, err := NewPool(PoolConfig{Command: []string{"/does/not/exist"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Evaluate(t.Context(), order("1")); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("%v", err)
	}
}

func BenchmarkPool(b *testing.B) {
	b.Setenv(childEnv, "1")
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
