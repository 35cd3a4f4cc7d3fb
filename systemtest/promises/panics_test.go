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
)

// tripwire is a log whose Handle panics over one message: a fault in something that
// the dispatcher calls. It counts the panics that are told of, with their stacks.
type tripwire struct {
	message string
	armed   *atomic.Bool
	told    *atomic.Int32
}

func (tripwire) Enabled(context.Context, slog.Level) bool { return true }
func (x tripwire) WithAttrs([]slog.Attr) slog.Handler     { return x }
func (x tripwire) WithGroup(string) slog.Handler          { return x }

func (x tripwire) Handle(_ context.Context, r slog.Record) error {
	if r.Message == x.message && x.armed.Load() {
		panic("tripped over: " + r.Message)
	}
	r.Attrs(func(a slog.Attr) bool {
		if r.Level == slog.LevelError && a.Key == "stack" && strings.Contains(a.Value.String(), "dispatch.(*core)") {
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
	with(t, options{questionTTL: time.Second, logs: trip}, func(w *world) {
		w.formed(3)
		lost := w.slave("slave-1", 1)
		long := w.client.job("sleep(1000)", evidence.Want{Outcome: client.Cancelled})
		long.timeout = time.Hour
		moved := w.client.put(long).Task
		w.slave("slave-2", 2)
		goesOn := w.client.submit(40 * time.Second)
		before := w.status(w.leader()).Term
		trip.armed.Store(true)
		lost.crash()

		paused := 0
		for began := time.Now(); time.Since(began) < 2*time.Minute; w.sleep(time.Second) {
			for _, m := range w.masters {
				if m.hasEnded() {
					t.Fatalf("%s has ended: %v", m.id, m.err)
				}
				if _, err := w.observer.of(m).Task(w.t.Context(), moved.ID, client.ReadOptions{}); err != nil {
					t.Errorf("a read at %s: %v", m.id, err)
				}
			}
			if time.Since(began) > 40*time.Second {
				paused += w.refusedForAPause()
			}
		}
		if got := w.client.wait(goesOn.ID); got.FinishedAt.Sub(got.StartedAt) > 45*time.Second {
			t.Errorf("a result was recorded after %v: %+v", got.FinishedAt.Sub(got.StartedAt), got)
		}
		if after := w.status(w.leader()).Term; after > before+4 {
			t.Errorf("leadership went round: term %d, then %d", before, after)
		}
		if paused < 10 || trip.told.Load() < 4 {
			t.Errorf("%d submits were told of a pause, %d panics were logged", paused, trip.told.Load())
		}

		trip.armed.Store(false)
		w.await("the lost slave's task to run elsewhere", func(ctx context.Context) error {
			got, err := w.observer.api.Task(ctx, moved.ID, client.ReadOptions{})
			if err == nil && got.Slave != "slave-2" {
				err = fmt.Errorf("it is on %s", got.Slave)
			}
			return err
		})
		w.client.wait(w.client.submit(time.Second).ID)
		if _, err := w.client.api.Cancel(w.t.Context(), moved.ID); err != nil {
			t.Error(err)
		}
		lost.start()
	})
}

// refusedForAPause submits a task once to the master that leads, and returns 1 if
// that says that it pauses, and for how long.
func (w *world) refusedForAPause() int {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := w.client.try(ctx, w.client.of(w.masters...), w.client.sleeping(0))
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
