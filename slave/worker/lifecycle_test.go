package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave/worker"
	"muster/task"
)

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 2, sleepers)
		w.masters.say(silent)
		w.accept(order(1, 1))
		began := time.Now()
		drained := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { drained <- w.Drain(ctx) }()
		synctest.Wait()

		a, err := w.Available(w.stamp())
		if err != nil || a.Free != 0 {
			t.Fatalf("a draining slave says %+v, %v", a, err)
		}
		wantReceipt(t, w.accept(order(2, 1))[0], task.Refused, task.ReasonDraining)
		wantReceipt(t, w.accept(order(1, 1))[0], task.Running, "")

		time.Sleep(15 * time.Second)
		select {
		case err := <-drained:
			t.Fatalf("drained before the result was acknowledged: %v", err)
		default:
		}
		wantReceipt(t, w.accept(order(1, 1))[0], task.Finished, "")
		w.masters.say(nil)
		if err := <-drained; err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d > 18*time.Second {
			t.Fatalf("took %v", d)
		}
		if err := w.Start(); err == nil {
			t.Fatal("a drained worker started again")
		}
	})
}

func TestDrainEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1, sleepers)
		w.accept(order(1, 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	})
}

// What Stop cuts short has no result: reporting a failure would let a task of a
// kind that is not idempotent run twice, refusing it would say it never began.
func TestStopInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		w := start(t, 2, map[string]worker.Handler{"sleep": func(ctx context.Context, _ task.Order) (task.Value, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return task.Value{}, ctx.Err()
		}})
		w.accept(order(1, 1))
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !errors.Is(cause, worker.ErrStopped) {
			t.Fatalf("cause %v", cause)
		}
		if got := w.masters.results(); len(got) != 0 {
			t.Fatalf("reported %+v", got)
		}
		wantReceipt(t, w.accept(order(1, 1))[0], task.Running, "")
		wantReceipt(t, w.accept(order(2, 1))[0], task.Refused, task.ReasonDraining)
		if h := w.held(); len(h) != 1 || h[0].Finished {
			t.Fatalf("holds %+v", h)
		}
	})
}

func TestStopEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		w := start(t, 1, map[string]worker.Handler{"sleep": func(context.Context, task.Order) (task.Value, error) {
			<-release // deaf to its context
			return task.Value{}, nil
		}})
		w.accept(order(1, 1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		close(release)
	})
}

// Every order of Start, Drain and Stop, together with work, ends and leaves
// nothing behind (synctest fails on goroutines that are left).
func TestLifecycleStress(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			m := &masters{}
			w, err := worker.New(worker.Config{Name: "slave-1", Incarnation: incarnation, Slots: 2, Handlers: sleepers, Reporter: m})
			if err != nil {
				t.Fatal(err)
			}
			r := &rig{Worker: w, t: t, masters: m}
			var all sync.WaitGroup
			for range 3 {
				all.Go(func() { _ = w.Start() }) // may come too late
				all.Go(func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					_ = w.Drain(ctx) // may be too short
				})
				all.Go(func() {
					if err := w.Stop(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			r.accept(order(1, 1), order(2, 1))
			all.Wait()
			if err := w.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBeforeStart(t *testing.T) {
	m := &masters{}
	w, err := worker.New(worker.Config{Name: "slave-1", Incarnation: incarnation, Handlers: sleepers, Reporter: m})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Worker: w, t: t, masters: m}
	if r.free() != 0 {
		t.Fatal("free before its start")
	}
	wantReceipt(t, r.accept(order(1, 1))[0], task.Refused, task.ReasonDraining)
	if !w.LastAsked().Equal(time.Time{}) && time.Since(w.LastAsked()) > time.Minute {
		t.Fatal("asked long ago")
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatalf("the second start: %v", err)
	}
	if r.free() != 1 {
		t.Fatal("not free after its start")
	}
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := worker.Config{Name: "a", Incarnation: incarnation, Handlers: sleepers, Reporter: &masters{}}
	for name, spoil := range map[string]func(*worker.Config){
		"name":          func(c *worker.Config) { c.Name = "" },
		"incarnation":   func(c *worker.Config) { c.Incarnation = "" },
		"slots":         func(c *worker.Config) { c.Slots = -1 },
		"many slots":    func(c *worker.Config) { c.Slots = task.MaxSlots + 1 },
		"handlers":      func(c *worker.Config) { c.Handlers = nil },
		"nil handler":   func(c *worker.Config) { c.Handlers = map[string]worker.Handler{"x": nil} },
		"nil engine":    func(c *worker.Config) { c.Engines = map[string]worker.Engine{"x": nil} },
		"engine, too":   func(c *worker.Config) { c.Engines = map[string]worker.Engine{"sleep": new(together).begin} },
		"reporter":      func(c *worker.Config) { c.Reporter = nil },
		"reportTimeout": func(c *worker.Config) { c.ReportTimeout = -1 },
	} {
		c := good
		spoil(&c)
		if _, err := worker.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := worker.New(good); err != nil {
		t.Error(err)
	}
}
