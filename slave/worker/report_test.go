package worker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave/worker"
	"muster/task"
)

func instant(_ context.Context, o task.Order) (task.Value, error) {
	return task.Value{Type: task.String, Text: o.Expression}, nil
}

var instants = map[string]worker.Handler{"sleep": instant}

func TestReportIsRepeatedUntilAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1, instants)
		w.masters.say(silent)
		w.accept(order(1, 1))
		time.Sleep(time.Minute)
		n := len(w.masters.all())
		// Pauses grow from 20 ms to 2 s, with chance.
		if n < 30 || n > 80 {
			t.Fatalf("%d reports in a minute of silence", n)
		}
		if h := w.held(); len(h) != 1 || !h[0].Finished {
			t.Fatalf("holds %+v", h)
		}
		w.masters.say(nil)
		time.Sleep(2 * time.Second)
		if h := w.held(); len(h) != 0 {
			t.Fatalf("still holds %+v", h)
		}
		if m := len(w.masters.all()); m != n+1 {
			t.Fatalf("%d reports after the acknowledgement", m-n-1)
		}
		time.Sleep(time.Minute)
		if m := len(w.masters.all()); m != n+1 {
			t.Fatal("an acknowledged result was reported again")
		}
	})
}

// The master recorded the result, and its answer was lost: the repeat is
// answered as accepted, or that the attempt is stale. Either settles it.
func TestVerdictsThatSettle(t *testing.T) {
	settling := []*task.Error{
		nil,
		task.Refuse(task.CodeTaskNotFound, "x"), task.Refuse(task.CodeStaleAttempt, "x"),
		task.Refuse(task.CodeWrongIncarnation, "x"), task.Refuse("task_forgotten", "x"),
	}
	keeping := []*task.Error{
		task.Refuse(task.CodeNoLeader, "x"), task.Refuse(task.CodeOutcomeUnknown, "x"),
		task.Refuse(task.CodeInternal, "x"), task.Refuse(task.CodeSlaveNotFound, "x"), task.Refuse("new_code", "x"),
	}
	try := func(t *testing.T, e *task.Error, settles bool) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			w := start(t, 1, instants)
			w.masters.say(func(_ context.Context, r task.Report) ([]task.Verdict, error) { return verdicts(r, e), nil })
			w.accept(order(1, 1))
			time.Sleep(time.Second)
			if kept := len(w.held()) == 1; kept == settles {
				t.Fatalf("%v: kept %v", e, kept)
			}
		})
	}
	for _, e := range settling {
		try(t, e, true)
	}
	for _, e := range keeping {
		try(t, e, false)
	}
}

func TestReplacedSlaveLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1, instants)
		w.masters.say(func(context.Context, task.Report) ([]task.Verdict, error) {
			return nil, task.Refuse(task.CodeWrongIncarnation, "another incarnation is registered")
		})
		w.accept(order(1, 1))
		synctest.Wait()
		if h := w.held(); len(h) != 0 {
			t.Fatalf("holds %+v", h)
		}
	})
}

// Verdicts come in any order, some may be missing: what has none is kept.
func TestMissingVerdictKeepsTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 3, instants)
		w.masters.say(func(_ context.Context, r task.Report) ([]task.Verdict, error) {
			var vs []task.Verdict
			for _, v := range verdicts(r, nil) {
				if v.ID != 2 {
					vs = append([]task.Verdict{v}, vs...)
				}
			}
			return vs, nil
		})
		w.accept(order(1, 1), order(2, 1), order(3, 1))
		time.Sleep(time.Second)
		if h := w.held(); len(h) != 1 || h[0].ID != 2 {
			t.Fatalf("holds %+v", h)
		}
	})
}

// A report may be carried in parts, of which the second fails.
func TestVerdictsBesideAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 3, instants)
		w.masters.say(func(_ context.Context, r task.Report) ([]task.Verdict, error) {
			var vs []task.Verdict
			for _, v := range verdicts(r, nil) {
				if v.ID != 2 {
					vs = append(vs, v)
				}
			}
			return vs, errors.New("the leader went away")
		})
		w.accept(order(1, 1), order(2, 1), order(3, 1))
		time.Sleep(time.Second)
		if h := w.held(); len(h) != 1 || h[0].ID != 2 {
			t.Fatalf("holds %+v", h)
		}
	})
}

// One result that makes the masters refuse every report it is in must not keep
// the others from being acknowledged.
func TestPoisonedResultDoesNotBlockOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 50, instants)
		w.masters.say(func(_ context.Context, r task.Report) ([]task.Verdict, error) {
			for _, res := range r.Results {
				if res.ID == 1 {
					return nil, task.Refuse(task.CodeInvalidRequest, "do not understand")
				}
			}
			return verdicts(r, nil), nil
		})
		orders := make([]task.Order, 50)
		for i := range orders {
			orders[i] = order(task.ID(i+1), 1)
		}
		w.accept(orders...)
		time.Sleep(time.Minute)
		if h := w.held(); len(h) != 1 || h[0].ID != 1 {
			t.Fatalf("holds %d, %+v", len(h), h)
		}
	})
}

// What finishes during a report goes into the next one, together.
func TestResultsAreBatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 100, instants)
		w.masters.say(func(_ context.Context, r task.Report) ([]task.Verdict, error) {
			time.Sleep(time.Second)
			return verdicts(r, nil), nil
		})
		w.accept(order(1, 1))
		synctest.Wait()
		for i := range 40 {
			w.accept(order(task.ID(i+2), 1))
		}
		time.Sleep(3 * time.Second)
		reports := w.masters.all()
		if len(reports) != 2 || len(reports[0].Results) != 1 || len(reports[1].Results) != 40 {
			t.Fatalf("%d reports", len(reports))
		}
		for _, r := range reports {
			if r.Slave != "slave-1" || r.Availability.Incarnation != incarnation {
				t.Fatalf("report %+v", r)
			}
		}
	})
}

func TestReportsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 50, instants)
		hold := make(chan struct{})
		w.masters.say(func(_ context.Context, r task.Report) ([]task.Verdict, error) {
			<-hold
			return verdicts(r, nil), nil
		})
		large := order(1, 1)
		large.Expression = strings.Repeat("x", task.MaxResultBytes)
		w.accept(large)
		synctest.Wait()
		for i := range 40 {
			large.ID = task.ID(i + 2)
			w.accept(large)
		}
		synctest.Wait()
		close(hold)
		synctest.Wait()
		if n := len(w.masters.results()); n != 41 {
			t.Fatalf("%d results reported", n)
		}
		for _, r := range w.masters.all() {
			if len(r.Results) > 2 {
				t.Fatalf("a report of %d × 64 KiB", len(r.Results))
			}
		}
	})
}

// A slave that no master hears takes no more work when it keeps many results.
func TestTooManyUnreportedResults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 2, instants)
		w.masters.say(silent)
		taken := 0
		for i := range 3000 {
			if w.accept(order(task.ID(i+1), 1))[0].Status == task.Accepted {
				taken++
			}
			synctest.Wait()
		}
		if taken != 1000 {
			t.Fatalf("took %d", taken)
		}
		if w.free() != 0 {
			t.Fatal("says that it is free")
		}
		wantReceipt(t, w.accept(order(5000, 1))[0], task.Refused, task.ReasonNoSlot)
		w.masters.say(nil)
		time.Sleep(5 * time.Second)
		if w.free() != 2 {
			t.Fatal("takes no work after its reports were heard")
		}
	})
}

// A master that takes a report and never answers costs one time-out.
func TestHangingMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1, instants)
		w.masters.say(func(ctx context.Context, _ task.Report) ([]task.Verdict, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		w.accept(order(1, 1))
		time.Sleep(45 * time.Second)
		if n := len(w.masters.all()); n != 2 {
			t.Fatalf("%d reports in 45 s", n)
		}
	})
}
