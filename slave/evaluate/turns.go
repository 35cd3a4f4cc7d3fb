package evaluate

import (
	"context"
	"time"
)

// maxComputing is how many evaluations of a process compute at once. Go shares
// its threads evenly, so hundreds that compute would leave the one that reads
// requests too little time to stop any of them: a process that is only busy would
// look like one that hangs.
const maxComputing = 4

// turns hold one token for each evaluation that computes; those that sleep hold
// none. nil bounds nothing.
type turns chan struct{}

// turn is one evaluation's, and is used by its goroutine alone.
type turn struct {
	of    turns
	taken bool
}

// take waits until the evaluation may compute, or until ctx ends.
func (t *turn) take(ctx context.Context) error {
	if t.of == nil {
		return nil
	}
	select {
	case t.of <- struct{}{}:
		t.taken = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release lets another evaluation compute. It may be repeated.
func (t *turn) release() {
	if t.taken {
		t.taken = false
		<-t.of
	}
}

// yield goes to the end of the line, so that an evaluation of many long calls does
// not hold up short ones.
func (t *turn) yield(ctx context.Context) error {
	t.release()
	return t.take(ctx)
}

// sleeper is a context that wants to know when its evaluation sleeps.
type sleeper interface {
	asleep()
	awake()
}

// sleep sleeps without holding up anybody.
func (t *turn) sleep(ctx context.Context, d time.Duration, sleep func(context.Context, time.Duration) error) error {
	t.release()
	if s, ok := ctx.(sleeper); ok {
		s.asleep()
		defer s.awake()
	}
	if err := sleep(ctx, d); err != nil {
		return err
	}
	return t.take(ctx)
}
