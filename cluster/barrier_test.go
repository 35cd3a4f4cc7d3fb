package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/commit"
)

func TestABarrierServesOnlyThoseWhoCameBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, answers := 0, make(chan error)
		b := &barriers{start: func(context.Context) error { started++; return <-answers }}
		results := make(chan error, 10)
		wait := func() { go func() { results <- b.wait(t.Context()) }(); synctest.Wait() }

		wait() // runs at once
		for range 5 {
			wait() // share the next one
		}
		if started != 1 {
			t.Fatalf("%d barriers started; want 1", started)
		}
		answers <- nil
		synctest.Wait()
		if len(results) != 1 || started != 2 {
			t.Fatalf("%d answered, %d started; want 1 and 2", len(results), started)
		}
		lost := errors.New("lost")
		answers <- lost
		synctest.Wait()
		if len(results) != 6 {
			t.Fatalf("%d answered; want 6", len(results))
		}
		if err := <-results; err != nil {
			t.Errorf("the first: %v", err)
		}
		for range 5 {
			if err := <-results; !errors.Is(err, lost) {
				t.Errorf("got %v; want the second barrier's error", err)
			}
		}
	})
}

func TestACallerLeavesABarrierWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		b := &barriers{start: func(context.Context) error { <-release; return nil }}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.wait(ctx); !errors.Is(err, commit.ErrAbandoned) {
			t.Errorf("got %v; want commit.ErrAbandoned", err)
		}
		close(release)
		b.wg.Wait()
	})
}
