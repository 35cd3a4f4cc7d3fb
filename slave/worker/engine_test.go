package worker_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave/worker"
	"muster/task"
)

// together is an engine whose orders take as long as their expressions say, "" for
// ever; of a send it ends together what ends at the same time. A cause that is slow
// takes it three seconds.
type together struct {
	mu    sync.Mutex
	sends [][]task.Order
	slow  error
}

func (e *together) begin(orders []task.Order, ended func([]task.Ending)) func(int, error) {
	e.mu.Lock()
	e.sends = append(e.sends, orders)
	e.mu.Unlock()
	type waiting struct{ stopped chan error }
	places := make([]waiting, len(orders))
	byTime := map[string][]int{}
	for i, o := range orders {
		places[i].stopped = make(chan error, 1)
		if o.Expression != "" {
			byTime[o.Expression] = append(byTime[o.Expression], i)
		}
	}
	var mu sync.Mutex
	over := make([]bool, len(orders))
	for text, group := range byTime {
		d, err := time.ParseDuration(text)
		if err != nil {
			panic(err)
		}
		time.AfterFunc(d, func() {
			var endings []task.Ending
			mu.Lock()
			for _, i := range group {
				if !over[i] {
					over[i] = true
					endings = append(endings, task.Ending{Place: i, Value: task.Value{Type: task.String, Text: text}})
				}
			}
			mu.Unlock()
			ended(endings)
		})
	}
	return func(place int, cause error) {
		var after time.Duration
		if errors.Is(cause, e.slow) {
			after = 3 * time.Second
		}
		time.AfterFunc(after, func() {
			mu.Lock()
			was := over[place]
			over[place] = true
			mu.Unlock()
			if !was {
				ended([]task.Ending{{Place: place, Err: fmt.Errorf("stopped: %w", cause)}})
			}
		})
	}
}

func (e *together) seen() [][]task.Order {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sends
}

// engage starts a worker whose tasks an engine runs.
func engage(t *testing.T, slots int, e worker.Engine) *rig {
	t.Helper()
	m := &masters{}
	w, err := worker.New(worker.Config{Name: "slave-1", Incarnation: incarnation, Slots: slots, Engines: map[string]worker.Engine{"sleep": e}, Reporter: m})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &rig{Worker: w, t: t, masters: m}
}

func lasting(id task.ID, how string) task.Order {
	o := order(id, 1)
	o.Expression = how
	return o
}

// A send goes to the engine as a whole, what ends together is reported together, and a
// slot is free when its own attempt has ended.
func TestAnEngineGetsASendTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e together
		w := engage(t, 4, e.begin)
		got := w.accept(lasting(1, "1s"), lasting(2, "2s"), task.Order{ID: 9, Attempt: 1, Kind: "cook"}, lasting(3, "1s"), lasting(4, "5s"), lasting(5, "1s"))
		for i, want := range []task.ReceiptStatus{task.Accepted, task.Accepted, task.Refused, task.Accepted, task.Accepted, task.Refused} {
			if got[i].Status != want {
				t.Errorf("receipt %d: %+v", i, got[i])
			}
		}
		if s := e.seen(); len(s) != 1 || len(s[0]) != 4 {
			t.Fatalf("the engine was given %v", s)
		}
		wantReceipt(t, w.accept(lasting(2, ""))[0], task.Running, "")
		time.Sleep(1500 * time.Millisecond)
		if w.free() != 2 || len(w.held()) != 2 {
			t.Errorf("%d free, holds %v", w.free(), w.held())
		}
		time.Sleep(time.Minute)
		reports := w.masters.all()
		if len(reports) != 3 || len(reports[0].Results) != 2 || reports[0].Results[1] != (task.Result{ID: 3, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.String, Text: "1s"}}) {
			t.Errorf("reported %+v", reports)
		}
		if w.free() != 4 {
			t.Errorf("%d free", w.free())
		}
	})
}

// Each attempt has its own time-out, and all have one timer.
func TestAnEnginesAttemptsEndAtTheirTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e together
		w := engage(t, 10, e.begin)
		began := time.Now()
		var ended []time.Duration
		w.masters.say(func(_ context.Context, r task.Report) ([]task.Verdict, error) {
			for range r.Results {
				ended = append(ended, time.Since(began))
			}
			return verdicts(r, nil), nil
		})
		limits := []int64{0, 7000, 2000, 5000}
		orders := make([]task.Order, len(limits))
		for i, ms := range limits {
			orders[i] = order(task.ID(i+1), 1)
			orders[i].TimeoutMS = ms
		}
		w.accept(orders...)
		w.accept(lasting(5, "1s"))
		time.Sleep(3 * time.Second)
		late := order(6, 1)
		late.TimeoutMS = 500
		w.accept(late) // when the clock is set for a later one
		time.Sleep(time.Hour)
		synctest.Wait()
		want := []time.Duration{time.Second, 2 * time.Second, 3500 * time.Millisecond, 5 * time.Second, 7 * time.Second, 5 * time.Minute}
		if fmt.Sprint(ended) != fmt.Sprint(want) {
			t.Errorf("they ended after %v, want %v", ended, want)
		}
		for _, r := range w.masters.results() {
			if r.ID == 3 && (r.Outcome != task.Failed || r.Retryable || r.Error != "timed out after 2s") {
				t.Errorf("reported %+v", r)
			}
		}
	})
}

func TestAnEnginesAttemptIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := together{slow: worker.ErrCancelled}
		w := engage(t, 2, e.begin)
		w.accept(order(1, 1), order(2, 1))
		a, err := w.Cancel(w.stamp(), incarnation, 1, 1)
		if err != nil || a.Free != 0 {
			t.Fatalf("cancel: %+v, %v", a, err)
		}
		time.Sleep(2 * time.Second)
		if w.free() != 0 {
			t.Error("the slot is free before the attempt has ended")
		}
		time.Sleep(2 * time.Second)
		if w.free() != 1 || len(w.held()) != 1 || len(w.masters.results()) != 0 {
			t.Errorf("%d free, holds %v, reported %v", w.free(), w.held(), w.masters.results())
		}
		if got := w.accept(order(1, 1))[0]; got.Status != task.Finished || got.Result.Outcome != task.Cancelled {
			t.Errorf("%+v", got)
		}
	})
}

// What Stop cuts short has no result, and what the worker does for a cluster that it
// has left is let go.
func TestAnEnginesAttemptsAreInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e together
		w := engage(t, 2, e.begin)
		w.accept(order(1, 1))
		if err := w.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantReceipt(t, w.accept(order(1, 1))[0], task.Running, "")
		if len(w.masters.results()) != 0 {
			t.Errorf("reported %v", w.masters.results())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var e together
		w := engage(t, 2, e.begin)
		if _, _, err := w.Accept(stampOf("old", 1, 1), incarnation, []task.Order{order(1, 1), order(2, 1)}); err != nil {
			t.Fatal(err)
		}
		if !w.Serve("new", "another") {
			t.Fatal("it is the same cluster")
		}
		synctest.Wait()
		if w.free() != 2 || len(w.held()) != 0 || len(w.masters.results()) != 0 {
			t.Errorf("%d free, holds %v, reported %v", w.free(), w.held(), w.masters.results())
		}
	})
}

// A cancel overtakes the engine; and the engine ends an attempt before it returns, and
// once more.
func TestAnEngineThatTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold, stopped := make(chan struct{}), make(chan error, 10)
		w := engage(t, 3, func(_ []task.Order, ended func([]task.Ending)) func(int, error) {
			ended([]task.Ending{{Place: 1}, {Place: 1, Err: errors.New("again")}})
			<-hold
			return func(place int, cause error) {
				if place != 0 {
					t.Errorf("order %d was stopped: %v", place, cause)
				}
				stopped <- cause
				go ended([]task.Ending{{Place: place, Err: cause}})
			}
		})
		stamp := w.stamp()
		go func() {
			if _, _, err := w.Accept(stamp, incarnation, []task.Order{order(1, 1), order(2, 1)}); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if w.free() != 2 {
			t.Errorf("%d free", w.free())
		}
		if _, err := w.Cancel(task.Stamp{Term: 2, Sequence: 1}, incarnation, 1, 1); err != nil {
			t.Fatal(err)
		}
		close(hold)
		synctest.Wait()
		if err := <-stopped; !errors.Is(err, worker.ErrCancelled) || len(stopped) != 0 {
			t.Errorf("it was stopped with %v, and %d times more", err, len(stopped))
		}
		if got := w.masters.results(); w.free() != 3 || len(got) != 1 || got[0].Outcome != task.Succeeded {
			t.Errorf("%d free, reported %+v", w.free(), got)
		}
	})
}

// Verdicts are of what they name, not of what stands at their places in the report.
func TestVerdictsInAnotherOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e together
		w := engage(t, 3, e.begin)
		w.masters.say(func(_ context.Context, r task.Report) ([]task.Verdict, error) {
			var vs []task.Verdict
			for _, v := range verdicts(r, nil) {
				if v.ID != 2 {
					vs = append([]task.Verdict{v}, vs...)
				}
			}
			return vs, nil
		})
		w.accept(lasting(1, "1s"), lasting(2, "1s"), lasting(3, "1s"))
		time.Sleep(5 * time.Second)
		if h := w.held(); len(h) != 1 || h[0].ID != 2 {
			t.Errorf("holds %+v", h)
		}
	})
}
