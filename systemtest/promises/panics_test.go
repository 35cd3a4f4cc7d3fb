package promises_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
)

// tripwire is a log whose Handle panics over one message: a fault in something that
// the dispatcher calls. It counts the panics that are told of, with their stacks.
type tripwire struct {
	message string
	armed   *atomic.Bool
	told    *atomic.Int32
}

func (tripwire) Enabled(context.Context, slog.Level) bool { return true }

func (x tripwire) WithAttrs([]slog.Attr) slog.Handler { return x }

func (x tripwire) WithGroup(string) slog.Handler { return x }

func (x tripwire) Handle(_ context.Context, r slog.Record) error {
	if r.Message == x.message && x.armed.Load() {
		panic("tripped over: " + r.Message)
	}
	r.Attrs(func(a slog.Attr) bool {
		if r.Level == slog.LevelError && a.Key == "stack" && strings.Contains(a.Value.String(), "dispatch.(*Dispatcher)") {
			x.told.Add(1)
		}
		return true
	})
	return nil
}

// TestWhatMakesALeaderPanicDoesNotGoRound: whoever leads panics over the same slave.
// Every master lives; after each has tried, the one that leads keeps leading, and
// answers: reads, results, and submits by 503. When the fault is over, all goes on.
func TestWhatMakesALeaderPanicDoesNotGoRound(t *testing.T) {
	trip := tripwire{message: "losing a slave", armed: new(atomic.Bool), told: new(atomic.Int32)}
	story.TellWith(t, story.Options{QuestionTTL: time.Second, Logs: trip}, func(w *story.World) {
		w.Formed(3)
		lost := w.Slave("slave-1", 1)
		long := w.Client.Job("sleep(1000)", evidence.Want{Outcome: client.Cancelled})
		long.Timeout = time.Hour
		moved := w.Client.Put(long).Task
		w.Slave("slave-2", 2)
		goesOn := w.Client.Submit(40 * time.Second)
		before := w.Status(w.Leader()).Term
		trip.armed.Store(true)
		lost.Crash()

		paused := 0
		for began := time.Now(); time.Since(began) < 2*time.Minute; w.Sleep(time.Second) {
			for _, m := range w.Masters {
				if m.HasEnded() {
					t.Fatalf("%s has ended: %v", m.ID, m.Err)
				}
				if _, err := w.Observer.Of(m).Task(w.T.Context(), moved.ID, client.ReadOptions{}); err != nil {
					t.Errorf("a read at %s: %v", m.ID, err)
				}
			}
			if time.Since(began) > 40*time.Second {
				paused += refusedForAPause(w)
			}
		}
		if got := w.Client.Wait(goesOn.ID); got.FinishedAt.Sub(got.StartedAt) > 45*time.Second {
			t.Errorf("a result was recorded after %v: %+v", got.FinishedAt.Sub(got.StartedAt), got)
		}
		if after := w.Status(w.Leader()).Term; after > before+4 {
			t.Errorf("leadership went round: term %d, then %d", before, after)
		}
		if paused < 10 || trip.told.Load() < 4 {
			t.Errorf("%d submits were told of a pause, %d panics were logged", paused, trip.told.Load())
		}

		trip.armed.Store(false)
		w.Await("the lost slave's task to run elsewhere", func(ctx context.Context) error {
			got, err := w.Observer.API.Task(ctx, moved.ID, client.ReadOptions{})
			if err == nil && got.Slave != "slave-2" {
				err = fmt.Errorf("it is on %s", got.Slave)
			}
			return err
		})
		w.Client.Wait(w.Client.Submit(time.Second).ID)
		if _, err := w.Client.API.Cancel(w.T.Context(), moved.ID); err != nil {
			t.Error(err)
		}
		lost.Start()
	})
}

// refusedForAPause submits a task once to the master that leads, and returns 1 if
// that says that it pauses, and for how long.
func refusedForAPause(w *story.World) int {
	w.T.Helper()
	ctx, cancel := context.WithTimeout(w.T.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := w.Client.Try(ctx, w.Client.Of(w.Masters...), w.Client.Sleeping(0))
	refusal, _ := errors.AsType[*client.Error](err)
	switch {
	case err == nil, refusal == nil, refusal.Code == client.CodeFullCapacity:
		return 0
	case refusal.Status == http.StatusServiceUnavailable && refusal.RetryAfter > 0 && strings.Contains(refusal.Message, "pauses for"):
		return 1
	default:
		return 0
	}
}
