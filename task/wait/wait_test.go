package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPausesDoubleUpToTheMost(t *testing.T) {
	for attempt, ms := range []int{50, 100, 200, 300, 300} {
		step := time.Duration(ms) * time.Millisecond
		for range 100 {
			if p := Pause(50*time.Millisecond, 300*time.Millisecond, attempt); p < step/2 || p > step {
				t.Fatalf("before attempt %d: %s; want %s to %s", attempt+1, p, step/2, step)
			}
		}
	}
	if p := Pause(time.Second, time.Hour, 1<<30); p < time.Hour/2 || p > time.Hour {
		t.Errorf("after very many attempts: %s", p)
	}
}

func TestWaitsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if Sleep(ctx, time.Minute) || time.Since(began) != time.Second {
			t.Errorf("a sleep outlived its context: %s", time.Since(began))
		}
		never := make(chan struct{})
		if For(never, time.Second) {
			t.Error("what never came has come")
		}
		ticks := 0
		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second-1)
		defer cancel()
		Every(ctx, time.Second, func() { ticks++ })
		if ticks != 3 {
			t.Errorf("%d ticks in 3 s", ticks)
		}
		broken := errors.New("broken")
		if err := Within(time.Second, func() error { return broken }); !errors.Is(err, broken) {
			t.Errorf("a call's own error became %v", err)
		}
		if err := Within(time.Second, func() error { <-never; return nil }); err == nil {
			t.Error("a call that hangs was waited for")
		}
		close(never)
	})
}
