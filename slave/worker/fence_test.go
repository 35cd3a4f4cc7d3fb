package worker_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave/worker"
	"muster/task"
)

func stampOf(cluster string, term, sequence uint64) task.Stamp {
	return task.Stamp{Cluster: cluster, Term: term, Sequence: sequence}
}

// wantAnswer asks whether the slave is available, and wants an error or none.
func (r *rig) wantAnswer(s task.Stamp, want error) {
	r.t.Helper()
	if _, err := r.Available(s); !errors.Is(err, want) {
		r.t.Fatalf("asked with %+v: %v, want %v", s, err, want)
	}
}

// A term says nothing about one of another cluster: a slave that was moved hears both
// for a while.
func TestTermsOfTwoClustersAreKeptApart(t *testing.T) {
	r := start(t, 1, sleepers)
	r.wantAnswer(stampOf("old", 9, 5), nil)
	r.wantAnswer(stampOf("new", 2, 1), nil)
	r.wantAnswer(stampOf("old", 9, 5), task.ErrStaleStamp)
	r.wantAnswer(stampOf("new", 2, 1), task.ErrStaleStamp)
	if _, _, err := r.Accept(stampOf("new", 2, 2), "another", nil); !errors.Is(err, task.ErrWrongIncarnation) {
		t.Fatal(err)
	}
	r.wantAnswer(stampOf("old", 9, 6), nil) // still: who does not know the incarnation proves nothing

	receipts, _, err := r.Accept(stampOf("new", 2, 3), incarnation, []task.Order{order(1, 1)})
	if err != nil || receipts[0].Status != task.Accepted {
		t.Fatalf("%+v, %v", receipts, err)
	}
	if got := r.Cluster(); got != "new" {
		t.Errorf("it works for %q", got)
	}
	asked := r.LastAsked()
	old := stampOf("old", 10, 1)
	r.wantAnswer(old, task.ErrWrongCluster)
	if _, _, err := r.Held(old); !errors.Is(err, task.ErrWrongCluster) {
		t.Error(err)
	}
	if _, _, err := r.Accept(old, incarnation, []task.Order{order(2, 1)}); !errors.Is(err, task.ErrWrongCluster) {
		t.Error(err)
	}
	if _, err := r.Cancel(old, incarnation, 1, 1); !errors.Is(err, task.ErrWrongCluster) {
		t.Error(err)
	}
	if _, err := r.ResizeTo(old, incarnation, 7); !errors.Is(err, task.ErrWrongCluster) {
		t.Error(err)
	}
	if h := r.held(); len(h) != 1 || h[0].ID != 1 || r.Slots() != 1 {
		t.Errorf("a leader of another cluster changed something: %+v, %d slots", h, r.Slots())
	}
	if !r.LastAsked().Equal(asked) {
		t.Error("a leader of another cluster counts as being asked")
	}
	r.wantAnswer(stampOf("new", 2, 4), nil)
}

// Masters of an older version don't say which cluster they are. While a cluster is
// upgraded they lead before and after ones that do, and no request of one may overtake
// the other's.
func TestMastersThatDoNotNameTheirClusterShareItsFence(t *testing.T) {
	for name, bound := range map[string]bool{"registered": true, "not yet": false} {
		t.Run(name, func(t *testing.T) {
			r := start(t, 1, sleepers)
			r.wantAnswer(stampOf("", 5, 100), nil)
			if bound {
				r.Serve("own", "unused")
			}
			r.wantAnswer(stampOf("own", 5, 100), task.ErrStaleStamp)
			r.wantAnswer(stampOf("own", 6, 1), nil)
			r.wantAnswer(stampOf("", 5, 101), task.ErrStaleStamp)
			r.wantAnswer(stampOf("", 6, 1), task.ErrStaleStamp)
			r.wantAnswer(stampOf("", 7, 1), nil)
			r.wantAnswer(stampOf("own", 6, 2), task.ErrStaleStamp)
			r.wantAnswer(stampOf("own", 7, 2), nil)
			r.wantAnswer(stampOf("", 7, 2), task.ErrStaleStamp)
		})
	}
}

// Who sends ever new names can't fill the slave's memory, nor keep its own masters out
// for longer than until they have told their name.
func TestClustersThatAreToldApartAreFew(t *testing.T) {
	r := start(t, 1, sleepers)
	known := 0
	for n := range 100 {
		if _, err := r.Available(stampOf(fmt.Sprint("other-", n), 1<<40, 1)); err == nil {
			known++
		} else if !errors.Is(err, task.ErrWrongCluster) {
			t.Fatal(err)
		}
	}
	if known != 8 {
		t.Errorf("%d clusters were told apart", known)
	}
	r.wantAnswer(stampOf("own", 2, 1), task.ErrWrongCluster)
	if r.Serve("own", "unused") {
		t.Error("it moved, and had no cluster before")
	}
	r.wantAnswer(stampOf("own", 2, 1), nil)
	r.wantAnswer(stampOf("other-0", 1<<41, 1), task.ErrWrongCluster)
}

// The numbers of tasks begin anew in another cluster. What the slave has of the old one
// is not reported to the new one, and does not count as an attempt of the new one's.
func TestNothingOfTheOldClusterReachesTheNewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		causes := make(chan error, 10)
		r := start(t, 2, map[string]worker.Handler{
			"sleep": func(ctx context.Context, o task.Order) (task.Value, error) {
				v, err := sleeping(ctx, o)
				causes <- context.Cause(ctx)
				return v, err
			},
			"stubborn": func(context.Context, task.Order) (task.Value, error) {
				time.Sleep(time.Minute)
				return task.Value{}, nil
			},
		})
		r.masters.say(silent)
		accept := func(s task.Stamp, incarnation string, orders ...task.Order) []task.Receipt {
			receipts, _, err := r.Accept(s, incarnation, orders)
			if err != nil {
				t.Fatal(err)
			}
			return receipts
		}
		accept(stampOf("old", 9, 1), incarnation, order(1, 1))
		time.Sleep(11 * time.Second) // 1 is finished, and a report of it is under way or waits
		if err := <-causes; err != nil {
			t.Fatal(err)
		}
		slow := order(2, 1)
		slow.Kind = "stubborn"
		accept(stampOf("old", 9, 2), incarnation, order(3, 1), slow)

		if r.Serve("", "unused") || r.Serve("old", "unused") {
			t.Fatal("the same masters, or ones that do not say, are no other cluster")
		}
		if !r.Serve("new", "second") {
			t.Fatal("it did not move")
		}
		if err := <-causes; !errors.Is(err, worker.ErrEstranged) {
			t.Errorf("what ran ended with %v", err)
		}
		synctest.Wait()
		a, err := r.Available(stampOf("new", 2, 1))
		if err != nil || a.Incarnation != "second" || a.Free != 1 { // the stubborn one has the other slot
			t.Fatalf("%+v, %v", a, err)
		}
		if h := r.held(); len(h) != 0 {
			t.Errorf("it shows the new masters %+v", h)
		}
		if _, _, err := r.Accept(stampOf("new", 2, 2), incarnation, []task.Order{order(1, 1)}); !errors.Is(err, task.ErrWrongIncarnation) {
			t.Errorf("for the old incarnation: %v", err)
		}
		before := len(r.masters.all())
		r.masters.say(nil)
		// The same numbers, and another task.
		wantReceipt(t, accept(stampOf("new", 2, 3), "second", order(1, 1))[0], task.Accepted, "")
		time.Sleep(2 * time.Minute)
		var results []task.Result
		for _, report := range r.masters.all()[before:] {
			if report.Cluster != "new" || report.Availability.Incarnation != "second" {
				t.Errorf("a report of cluster %q, incarnation %q", report.Cluster, report.Availability.Incarnation)
			}
			results = append(results, report.Results...)
		}
		if len(results) != 1 || results[0].ID != 1 {
			t.Errorf("the new masters were told %+v", results)
		}
		if a, err := r.Available(stampOf("new", 2, 4)); err != nil || a.Free != 2 {
			t.Errorf("at the end: %+v, %v", a, err)
		}
	})
}

// A report that was under way to the old masters when the slave moved says nothing any
// more, whatever came of it.
func TestReportUnderWayIsOfTheOldCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 1, sleepers)
		answer := make(chan struct{})
		r.masters.say(func(context.Context, task.Report) ([]task.Verdict, error) {
			<-answer
			return nil, errors.New("the answer was lost")
		})
		if _, _, err := r.Accept(stampOf("old", 9, 1), incarnation, []task.Order{order(1, 1)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		r.Serve("new", "second")
		close(answer)
		time.Sleep(time.Minute)
		if reports := r.masters.all(); len(reports) != 1 || reports[0].Cluster != "old" {
			t.Errorf("reports %+v", reports)
		}
		drain(t, r.Worker)
	})
}

// A master of another cluster that is in the list by mistake settles nothing: the
// result waits for those that gave the task.
func TestResultOutlivesAStrangersRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &masters{}
		told := 0
		w, err := worker.New(worker.Config{
			Name: "slave-1", Incarnation: incarnation, Handlers: sleepers, Reporter: m, Estranged: func() { told++ },
		})
		if err == nil {
			err = w.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		m.say(func(context.Context, task.Report) ([]task.Verdict, error) {
			return nil, task.Refuse(task.CodeWrongCluster, "another cluster")
		})
		if _, _, err := w.Accept(stampOf("own", 1, 1), incarnation, []task.Order{order(1, 1)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if h, _, err := w.Held(task.Stamp{}); err != nil || len(h) != 1 || !h[0].Finished || told == 0 {
			t.Errorf("held %+v, %v; told %d times", h, err, told)
		}
		m.say(nil)
		drain(t, w)
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
