package worker_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"muster/slave/worker"
	"muster/task"
)

type again struct{}

func (again) Error() string   { return "try again" }
func (again) Retryable() bool { return true }

func TestResults(t *testing.T) {
	value := func(v task.Value) worker.Handler {
		return func(context.Context, task.Order) (task.Value, error) { return v, nil }
	}
	failing := func(err error) worker.Handler {
		return func(context.Context, task.Order) (task.Value, error) { return task.Value{}, err }
	}
	failed := func(text string, retryable bool) task.Result {
		return task.Result{ID: 1, Attempt: 1, Outcome: task.Failed, Error: text, Retryable: retryable}
	}
	number := task.Value{Type: task.Number, Text: "NaN"}
	cases := map[string]struct {
		handler worker.Handler
		timeout int64
		want    task.Result
	}{
		"value":          {value(number), 0, task.Result{ID: 1, Attempt: 1, Outcome: task.Succeeded, Value: number}},
		"no value":       {value(task.Value{}), 0, task.Result{ID: 1, Attempt: 1, Outcome: task.Succeeded}},
		"untyped":        {value(task.Value{Text: "x"}), 0, task.Result{ID: 1, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.String, Text: "x"}}},
		"unknown type":   {value(task.Value{Type: 9}), 0, failed("the result has the unknown type 9", false)},
		"not UTF-8":      {value(task.Value{Text: "\xff"}), 0, failed("the result is not valid UTF-8", false)},
		"too large":      {value(task.Value{Text: strings.Repeat("x", task.MaxResultBytes+1)}), 0, failed("the result has 65537 bytes; at most 65536 are kept", false)},
		"error":          {failing(errors.New("no such name")), 0, failed("no such name", false)},
		"bad error text": {failing(errors.New("a\xffb")), 0, failed("a\uFFFDb", false)},
		"retryable":      {failing(fmt.Errorf("the child died: %w", again{})), 0, failed("the child died: try again", true)},
		"panic": {
			func(context.Context, task.Order) (task.Value, error) { panic("boom") }, 0,
			failed(`the handler of kind "sleep" panicked: boom`, false),
		},
		"goexit": {
			func(context.Context, task.Order) (task.Value, error) { runtime.Goexit(); return task.Value{}, nil }, 0,
			failed("the handler ended its goroutine", false),
		},
		"timed out": {sleeping, 3000, failed("timed out after 3s", false)},
		"timed out, with a word": {func(ctx context.Context, _ task.Order) (task.Value, error) {
			<-ctx.Done()
			return task.Value{}, again{}
		}, 3000, failed("timed out after 3s: try again", false)},
		"default time-out": {func(ctx context.Context, _ task.Order) (task.Value, error) {
			<-ctx.Done()
			return task.Value{}, ctx.Err()
		}, 0, failed("timed out after 5m0s", false)},
		"late but done": {func(ctx context.Context, _ task.Order) (task.Value, error) {
			<-ctx.Done()
			return number, nil
		}, 3000, task.Result{ID: 1, Attempt: 1, Outcome: task.Succeeded, Value: number}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, 1, map[string]worker.Handler{"sleep": c.handler})
				o := order(1, 1)
				o.TimeoutMS = c.timeout
				w.accept(o)
				time.Sleep(10 * time.Minute)
				got := w.masters.results()
				if len(got) != 1 || got[0] != c.want {
					t.Fatalf("reported %+v, want %+v", got, c.want)
				}
				if w.free() != 1 {
					t.Fatal("the slot is not free")
				}
			})
		})
	}
}

func TestLongErrorIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1, map[string]worker.Handler{"sleep": func(context.Context, task.Order) (task.Value, error) {
			return task.Value{}, errors.New(strings.Repeat("ä", task.MaxErrorBytes))
		}})
		w.accept(order(1, 1))
		synctest.Wait()
		got := w.masters.results()[0].Error
		if len(got) > task.MaxErrorBytes || len(got) < task.MaxErrorBytes-8 || !utf8.ValidString(got) || !strings.HasSuffix(got, " …") {
			t.Fatalf("%d bytes, ends with %q", len(got), got[len(got)-8:])
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		w := start(t, 1, map[string]worker.Handler{"sleep": func(ctx context.Context, _ task.Order) (task.Value, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			time.Sleep(3 * time.Second) // takes its time to stop
			return task.Value{Type: task.Number, Text: "1"}, nil
		}})
		w.accept(order(1, 2))
		for _, other := range []struct {
			id      task.ID
			attempt uint32
		}{{1, 1}, {1, 3}, {2, 2}} {
			if _, err := w.Cancel(w.stamp(), incarnation, other.id, other.attempt); err != nil {
				t.Fatalf("an attempt that is not here: %v", err)
			}
		}
		synctest.Wait()
		if cause != nil {
			t.Fatalf("the wrong attempt was cancelled: %v", cause)
		}
		a, err := w.Cancel(w.stamp(), incarnation, 1, 2)
		if err != nil || a.Free != 0 {
			t.Fatalf("cancel: %+v, %v", a, err)
		}
		time.Sleep(2 * time.Second)
		if w.free() != 0 || len(w.held()) != 1 {
			t.Fatal("the slot is free before the handler has returned")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !errors.Is(cause, worker.ErrCancelled) {
			t.Fatalf("cause %v", cause)
		}
		if w.free() != 1 || len(w.held()) != 0 {
			t.Fatal("the slot is not free after the handler has returned")
		}
		if got := w.masters.results(); len(got) != 0 {
			t.Fatalf("reported %+v", got)
		}
		got := w.accept(order(1, 2))[0]
		wantReceipt(t, got, task.Finished, "")
		if got.Result.Outcome != task.Cancelled {
			t.Fatalf("result %+v", got.Result)
		}
	})
}

func TestCancelLeavesAFinishedResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, 1, sleepers)
		w.masters.say(silent)
		w.accept(order(1, 1))
		time.Sleep(11 * time.Second)
		if _, err := w.Cancel(w.stamp(), incarnation, 1, 1); err != nil {
			t.Fatal(err)
		}
		if h := w.held(); len(h) != 1 || !h[0].Finished {
			t.Fatalf("holds %+v", h)
		}
	})
}
