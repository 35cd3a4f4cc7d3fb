package worker

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff spaces out repeats: each pause is up to twice as long as the one
// before, between Min and Max, with chance in it so that many who were refused
// together do not come back together. Its methods are for one goroutine.
type Backoff struct {
	Min, Max time.Duration
	next     time.Duration
}

// Next returns the next pause: between half and all of the current step.
func (b *Backoff) Next() time.Duration {
	step := max(b.next, b.Min)
	b.next = min(2*step, b.Max)
	return step/2 + rand.N(step/2+1) //nolint:gosec // chance, not secrecy
}

// Reset begins again at Min.
func (b *Backoff) Reset() { b.next = 0 }

// Sleep waits for d. It returns false at once when ctx ends.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
