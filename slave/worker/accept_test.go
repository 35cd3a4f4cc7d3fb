package worker_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave/worker"
	"muster/task"
	"muster/task/wait"
)

func TestBusySlaveRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1, sleepers)
		got := w.accept(order(1, 1), order(2, 1))
		wantReceipt(t, got[0], task.Accepted, "")
		wantReceipt(t, got[1], task.Refused, task.ReasonNoSlot)
		a, err := w.Available(w.stamp())
		if err != nil || a.Available() || a.Answer() != task.AnswerNotAvailable || a.Slots != 1 {
			t.Fatalf("busy slave says %+v, %v", a, err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		b, err := w.Available(w.stamp())
		if err != nil || b.Free != 1 || b.Counter <= a.Counter {
			t.Fatalf("idle slave says %+v, %v after %+v", b, err, a)
		}
	})
}

func TestUnknownKindIsRefused(t *testing.T) {
	w := start(t, 1, sleepers)
	wantReceipt(t, w.accept(task.Order{ID: 1, Attempt: 1, Kind: "cook"})[0], task.Refused, task.ReasonUnknownKind)
}

func TestSameAttemptAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		w := start(t, 4, map[string]worker.Handler{"sleep": func(ctx context.Context, o task.Order) (task.Value, error) {
			runs.Add(1)
			return sleeping(ctx, o)
		}})
		w.masters.say(silent)
		got := w.accept(order(7, 2), order(7, 2))
		wantReceipt(t, got[0], task.Accepted, "")
		wantReceipt(t, got[1], task.Running, "")
		wantReceipt(t, w.accept(order(7, 2))[0], task.Running, "")

		time.Sleep(11 * time.Second) // finished, and no master listens
		again := w.accept(order(7, 2))[0]
		wantReceipt(t, again, task.Finished, "")
		want := task.Result{ID: 7, Attempt: 2, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: "7"}}
		if again.Result != want {
			t.Fatalf("result %+v, want %+v", again.Result, want)
		}

		w.masters.say(nil)
		time.Sleep(5 * time.Second) // acknowledged
		if h := w.held(); len(h) != 0 {
			t.Fatalf("holds %v", h)
		}
		if last := w.accept(order(7, 2))[0]; last != again {
			t.Fatalf("after the acknowledgement %+v, before %+v", last, again)
		}
		wantReceipt(t, w.accept(order(7, 1))[0], task.Refused, task.ReasonSuperseded)
		if n := runs.Load(); n != 1 {
			t.Fatalf("ran %d times", n)
		}
	})
}

func TestHigherAttemptNeedsItsOwnSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 2, sleepers)
		w.accept(order(1, 1))
		wantReceipt(t, w.accept(order(1, 2))[0], task.Accepted, "")
		wantReceipt(t, w.accept(order(1, 3))[0], task.Refused, task.ReasonNoSlot)
		wantReceipt(t, w.accept(order(1, 1))[0], task.Running, "")
		if h := w.held(); len(h) != 2 {
			t.Fatalf("holds %v", h)
		}
	})
}

func TestStaleStampsDoNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 4, sleepers)
		newest := task.Stamp{Term: 5, Sequence: 10}
		if _, err := w.Available(newest); err != nil {
			t.Fatal(err)
		}
		asked := w.LastAsked()
		time.Sleep(time.Second)
		for _, s := range []task.Stamp{newest, {Term: 5, Sequence: 9}, {Term: 4, Sequence: 99}, {}} {
			if _, _, err := w.Accept(s, incarnation, []task.Order{order(1, 1)}); !errors.Is(err, task.ErrStaleStamp) {
				t.Errorf("accept with %+v: %v", s, err)
			}
			if _, err := w.Cancel(s, incarnation, 1, 1); !errors.Is(err, task.ErrStaleStamp) {
				t.Errorf("cancel with %+v: %v", s, err)
			}
			if s == (task.Stamp{}) {
				continue // a person may ask
			}
			if _, err := w.Available(s); !errors.Is(err, task.ErrStaleStamp) {
				t.Errorf("available with %+v: %v", s, err)
			}
			if _, _, err := w.Held(s); !errors.Is(err, task.ErrStaleStamp) {
				t.Errorf("held with %+v: %v", s, err)
			}
		}
		if w.free() != 4 || len(w.held()) != 0 {
			t.Fatal("a stale request started something")
		}
		if !w.LastAsked().Equal(asked) {
			t.Fatal("a stale request counts as being asked")
		}
		if _, err := w.Available(task.Stamp{Term: 6, Sequence: 1}); err != nil {
			t.Fatalf("a newer term: %v", err)
		}
	})
}

// An order that was delayed on its way, was given up by the leader, and arrives
// after newer requests must never start.
func TestDelayedOrderNeverStartsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		w := start(t, 4, map[string]worker.Handler{"sleep": func(context.Context, task.Order) (task.Value, error) {
			runs.Add(1)
			return task.Value{}, nil
		}})
		delayed := w.stamp()
		w.accept(order(1, 1)) // sent again, with a newer stamp
		synctest.Wait()
		// Push the attempt out of the slave's memory: the stamp alone decides.
		for id := task.ID(2); id < 6000; id += 4 {
			w.accept(order(id, 1), order(id+1, 1), order(id+2, 1), order(id+3, 1))
			synctest.Wait()
		}
		before := runs.Load()
		if _, _, err := w.Accept(delayed, incarnation, []task.Order{order(1, 1)}); !errors.Is(err, task.ErrStaleStamp) {
			t.Fatalf("delayed order: %v", err)
		}
		synctest.Wait()
		if runs.Load() != before {
			t.Fatal("the delayed order ran")
		}
	})
}

func TestWrongIncarnation(t *testing.T) {
	w := start(t, 1, sleepers)
	if _, _, err := w.Accept(w.stamp(), "fedcba9876543210", []task.Order{order(1, 1)}); !errors.Is(err, task.ErrWrongIncarnation) {
		t.Fatalf("accept: %v", err)
	}
	if _, err := w.Cancel(w.stamp(), "", 1, 1); !errors.Is(err, task.ErrWrongIncarnation) {
		t.Fatalf("cancel: %v", err)
	}
	if w.free() != 1 {
		t.Fatal("an order for another incarnation was taken")
	}
}

func TestNeverMoreThanSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots, senders = 5, 64
		var now, peak, runs atomic.Int32
		w := start(t, slots, map[string]worker.Handler{"sleep": func(ctx context.Context, _ task.Order) (task.Value, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
			}
			runs.Add(1)
			wait.Sleep(ctx, time.Millisecond)
			return task.Value{}, nil
		}})
		var seq atomic.Uint64
		var accepted atomic.Int32
		var all sync.WaitGroup
		for s := range senders {
			all.Go(func() {
				for i := range 20 {
					orders := []task.Order{order(task.ID(1+100*s+i), 1), order(task.ID(1+100*s+i), 2)}
					receipts, a, err := w.Accept(task.Stamp{Term: 1, Sequence: seq.Add(1)}, incarnation, orders)
					if errors.Is(err, task.ErrStaleStamp) {
						continue // another sender was quicker
					}
					if err != nil || a.Free < 0 || a.Free > slots {
						t.Errorf("%+v, %v", a, err)
						return
					}
					for _, r := range receipts {
						if r.Status == task.Accepted {
							accepted.Add(1)
						}
					}
					wait.Sleep(t.Context(), 100*time.Microsecond)
				}
			})
		}
		all.Wait()
		time.Sleep(time.Second)
		if p := peak.Load(); p != slots {
			t.Errorf("at most %d ran at once; want exactly %d", p, slots)
		}
		if runs.Load() != accepted.Load() {
			t.Errorf("%d accepted, %d ran", accepted.Load(), runs.Load())
		}
	})
}

// The counter tells an old word on free slots from a new one.
func TestCounterRisesWithFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 2, sleepers)
		last, _ := w.Available(w.stamp())
		step := func(what string, a task.Availability, err error, free int) {
			t.Helper()
			if err != nil || a.Free != free || a.Counter <= last.Counter || a.Incarnation != incarnation {
				t.Fatalf("%s: %+v, %v after %+v", what, a, err, last)
			}
			last = a
		}
		_, a, err := w.Accept(w.stamp(), incarnation, []task.Order{order(1, 1)})
		step("accept", a, err, 1)
		time.Sleep(time.Second)
		_, a, err = w.Accept(w.stamp(), incarnation, []task.Order{order(2, 1)})
		step("accept", a, err, 0)
		time.Sleep(9500 * time.Millisecond)
		_, a, err = w.Held(w.stamp())
		step("one finished", a, err, 1)
		if a, _ = w.Available(w.stamp()); a != last {
			t.Fatalf("nothing changed: %+v after %+v", a, last)
		}
		time.Sleep(time.Second)
		a, err = w.Available(w.stamp())
		step("both finished", a, err, 2)
		// The report of a result says what was true with it.
		reports := w.masters.all()
		if len(reports) != 2 || reports[1].Availability != last {
			t.Fatalf("reports %+v", reports)
		}
	})
}

// Results that no master takes are bounded by their bytes, too: then the slave
// takes no more work, until one is acknowledged.
func TestKeptResultsAreBoundedByTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 200
		large := strings.Repeat("x", task.MaxResultBytes)
		w := start(t, slots, map[string]worker.Handler{"large": func(context.Context, task.Order) (task.Value, error) {
			return task.Value{Type: task.String, Text: large}, nil
		}})
		w.masters.say(silent)
		taken := 0
		for range 12 {
			for range slots {
				o := order(task.ID(taken+1), 1)
				o.Kind = "large"
				if r := w.accept(o); r[0].Status == task.Refused {
					break
				}
				taken++
			}
			synctest.Wait()
		}
		if least := 64 << 20 / task.MaxResultBytes; taken < least || taken > least+slots {
			t.Errorf("%d results of 64 KiB are kept", taken)
		}
		w.masters.say(nil)
		time.Sleep(time.Minute)
		if a, err := w.Available(task.Stamp{}); err != nil || a.Free != slots {
			t.Errorf("after all was acknowledged: %+v, %v", a, err)
		}
	})
}
