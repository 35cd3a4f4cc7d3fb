package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		looks := 0
		err := until(t.Context(), time.Minute, "see it", func(context.Context) error {
			if looks++; looks < 5 {
				return errors.New("not yet")
			}
			return nil
		})
		if err != nil || looks != 5 || time.Since(start) != 4*lookEvery {
			t.Errorf("%v, after %d looks and %s", err, looks, time.Since(start))
		}

		err = until(t.Context(), time.Second, "see it", func(context.Context) error { return errors.New("still dark") })
		if err == nil || err.Error() != "see it: not within 1s: still dark" {
			t.Errorf("the end of the wait says %v", err)
		}

		err = until(t.Context(), time.Hour, "see it", func(context.Context) error { return fmt.Errorf("m1 %w", errDied) })
		if !errors.Is(err, errDied) {
			t.Errorf("a death does not end the wait: %v", err)
		}

		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("the user left"))
		err = until(ctx, time.Hour, "see it", func(context.Context) error { return errors.New("still dark") })
		if err == nil || !strings.Contains(err.Error(), "the user left") {
			t.Errorf("an interrupted wait says %v", err)
		}
	})
}
