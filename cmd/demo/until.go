package demo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// lookEvery is the pause between two looks at something that is waited for.
const lookEvery = 50 * time.Millisecond

// waitLimit bounds what the story waits for. It is only reached when something is
// wrong, so it is long enough for a machine that is slow or busy.
const waitLimit = 2 * time.Minute

// until looks again and again until check is content, at most so long or until
// somebody died. The error is what check said last.
func until(ctx context.Context, atMost time.Duration, what string, check func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, atMost, errTooLong)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		err := check(ctx)
		if err == nil || errors.Is(err, errDied) {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if cause := context.Cause(ctx); cause != errTooLong { //nolint:errorlint // the very value
				return fmt.Errorf("%s: %w", what, cause)
			}
			return fmt.Errorf("%s: not within %s: %w", what, atMost, err)
		}
	}
}

var errTooLong = errors.New("the wait is over")
