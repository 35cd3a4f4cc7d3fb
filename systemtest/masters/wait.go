package masters

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// askEvery is the pause between two questions of Until.
const askEvery = 20 * time.Millisecond

// Until asks until there is no error.
func Until(ctx context.Context, limit time.Duration, what string, ask func() error) error {
	return UntilSlowly(ctx, limit, askEvery, what, ask)
}

// UntilSlowly is Until for a question that costs, with a pause of its own.
func UntilSlowly(ctx context.Context, limit, every time.Duration, what string, ask func() error) error {
	end := time.Now().Add(limit)
	for {
		err := ask()
		switch {
		case err == nil:
			return nil
		case time.Now().After(end):
			return fmt.Errorf("waited %s for %s: %w", limit, what, err)
		}
		if stopped := Pause(ctx, every); stopped != nil {
			return errors.Join(stopped, err)
		}
	}
}

// Pause waits, or returns ctx's error.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
