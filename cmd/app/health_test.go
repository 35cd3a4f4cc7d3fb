package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster"
	"muster/task"
)

// looked is a health over loops of the test's making.
type looked struct {
	*health

	t      *testing.T
	mu     sync.Mutex
	all    map[string]cluster.Loop // under mu
	failed error                   // under mu
	asked  int                     // under mu
	text   bytes.Buffer            // what was logged
}

func inHealth(t *testing.T, test func(x *looked)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &looked{t: t, all: map[string]cluster.Loop{}}
		x.health = &health{
			ask: func() { x.mu.Lock(); x.asked++; x.mu.Unlock() },
			loops: func() (all []cluster.Loop) {
				x.mu.Lock()
				defer x.mu.Unlock()
				for _, l := range x.all {
					all = append(all, l)
				}
				return all
			},
			fail: func(err error) { x.mu.Lock(); x.failed = err; x.mu.Unlock() },
			log:  slog.New(slog.NewTextHandler(&x.text, nil)),
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { x.run(ctx) })
		defer running.Wait()
		defer cancel()
		test(x)
	})
}

// set says how a loop is from now on.
func (x *looked) set(name string, busy bool, turn uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.all[name] = cluster.Loop{Name: name, Busy: busy, Turn: turn}
}

// after lets time pass and returns what is then said.
func (x *looked) after(d time.Duration) (unhealthy, failed error) {
	time.Sleep(d) // fake time
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.err(), x.failed
}

func TestALoopThatHangsIsNamed(t *testing.T) {
	inHealth(t, func(x *looked) {
		x.set("the idle one", false, 8)
		x.set("the first", true, 1)
		x.set("the second", true, 5)
		if err, failed := x.after(29500 * time.Millisecond); err != nil || failed != nil {
			t.Fatalf("too early: %v, %v", err, failed)
		}
		x.set("the first", true, 3) // it was slow, and gets on
		err, failed := x.after(3 * time.Second)
		if !errors.Is(err, &task.Error{Code: task.CodeStalled}) || !strings.Contains(err.Error(), "the second of this master has not answered for 31s") || failed != nil {
			t.Fatalf("got %v, %v", err, failed)
		}
		if n := strings.Count(x.text.String(), "a loop of this master is stuck"); n != 1 || !strings.Contains(x.text.String(), "TestALoopThatHangsIsNamed") {
			t.Errorf("%d lines, or no stacks: %s", n, x.text.String())
		}
		x.set("the second", true, 7)
		if err, _ := x.after(time.Second); err != nil {
			t.Errorf("it gets on again: %v", err)
		}
		if x.asked < 6 || x.asked > 8 {
			t.Errorf("asked Raft %d times in 33 s", x.asked)
		}
	})
}

// TestAMasterWhoseLoopHangsEnds: else it would lead for ever, and do nothing.
func TestAMasterWhoseLoopHangsEnds(t *testing.T) {
	inHealth(t, func(x *looked) {
		x.set("a loop", true, 1)
		if _, failed := x.after(59 * time.Second); failed != nil {
			t.Fatalf("too early: %v", failed)
		}
		if _, failed := x.after(3 * time.Second); failed == nil || !strings.Contains(failed.Error(), "a loop of this master has not answered for 1m0s; this master stops so that another can lead") {
			t.Errorf("got %v", failed)
		}
	})
}

// TestALoopThatGetsOnSlowlyIsNone that hangs: one that replays a long log, say.
func TestALoopThatGetsOnSlowlyIsNone(t *testing.T) {
	inHealth(t, func(x *looked) {
		for turn := range uint64(20) {
			x.set("a loop", true, 2*turn+1)
			if err, failed := x.after(25 * time.Second); err != nil || failed != nil {
				t.Fatalf("turn %d: %v, %v", turn, err, failed)
			}
		}
	})
}
