package timelimit

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"
)

// Variable is the environment variable that sets the slowdown.
const Variable = "MUSTER_TEST_SLOWDOWN"

// Slowdown is how many times slower than a quiet one a machine may be on which the
// tests pass, unless Variable says otherwise. scripts/test.sh has the same number.
const Slowdown = 5

// least is the shortest limit: a wait that ends earlier gains nothing.
const least = time.Minute

// usual is more than any single step of a test takes on a quiet machine.
const usual = 30 * time.Second

// Of returns the limit for what takes at most d on a quiet machine.
func Of(t testing.TB, d time.Duration) time.Duration {
	t.Helper()
	slowdown := Slowdown
	if text, ok := os.LookupEnv(Variable); ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			t.Fatalf("%s is %q; it must be a number between 1 and 1000", Variable, text)
		}
		slowdown = n
	}
	return max(least, time.Duration(slowdown)*d)
}

// Usual returns the limit of a single step: a process starts, a leader is elected, a
// task is done.
func Usual(t testing.TB) time.Duration {
	t.Helper()
	return Of(t, usual)
}

// Context returns a context that ends after the usual limit, and with the test.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Usual(t))
	t.Cleanup(cancel)
	return ctx
}

// Eventually asks again and again until the answer is nil. It fails the test after the
// usual limit, with the last answer.
func Eventually(t testing.TB, what string, ask func(ctx context.Context) error) {
	t.Helper()
	if err := Poll(t, ask); err != nil {
		t.Fatalf("waited %v: %s: %v", Usual(t), what, err)
	}
}

// Poll asks as Eventually does, and returns the last answer. Any goroutine may call it.
func Poll(t testing.TB, ask func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Usual(t)) // not the test's, which ends before what cleans up
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return err
		}
	}
}
