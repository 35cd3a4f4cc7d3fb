package wait

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Sleep waits for d or until ctx ends; it reports whether d has passed.
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

// For waits for a channel to close, at most d; it reports whether it has.
func For(ch <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ch:
		return true
	case <-t.C:
		return false
	}
}

// Within runs a call that can't be interrupted and waits for it, at most d. If it
// takes longer, its goroutine stays behind, and the error says so.
func Within(d time.Duration, call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return fmt.Errorf("no answer within %s", d)
	}
}

// Every calls do at once and then at each tick, until ctx ends.
func Every(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		do()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Pause returns how long to wait before a repeat: between half and all of a step that
// doubles with each attempt, from least to most. The chance in it keeps many who began
// together from coming back together.
func Pause(least, most time.Duration, attempt int) time.Duration {
	step := least
	for range attempt {
		if step = min(2*step, most); step == most {
			break
		}
	}
	return step/2 + rand.N(step/2+1) //nolint:gosec // chance, not secrecy
}

// Backoff has the pauses of one who repeats: Pause from Min to Max, and anew after a
// Reset. Its methods are for one goroutine.
type Backoff struct {
	Min, Max time.Duration
	attempt  int
}

// Next returns the next pause.
func (b *Backoff) Next() time.Duration {
	b.attempt++
	return Pause(b.Min, b.Max, b.attempt-1)
}

// Reset begins again at Min.
func (b *Backoff) Reset() { b.attempt = 0 }
