package reads_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/systemtest/promises/story"
)

// TestReadsFormAHistory has clients write and read at all masters at once while
// leaders are lost in each way. That linearizable reads miss nothing, that the
// reads of a client which turns from master to master never go back, and that no
// index shows two states, is held against the evidence.
func TestReadsFormAHistory(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("the leader "+strings.TrimPrefix(l.Name, "it "), func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 4)
				w.Slave("slave-2", 4)
				h := startHistory(w)
				for range 2 {
					w.Sleep(300 * time.Millisecond)
					leader := w.Leader()
					l.Strike(leader)
					w.Sleep(3 * time.Second) // another is elected, also after silence
					leader.Mend()
					w.Ready()
				}
				h.end()
			})
		})
	}
}

// history is clients that write and read until they are ended.
type history struct {
	w                      *story.World
	stop                   chan struct{}
	wg                     sync.WaitGroup
	writes, strong, turned atomic.Int64
}

func startHistory(w *story.World) *history {
	h := &history{w: w, stop: make(chan struct{})}
	for i := range 3 {
		h.wg.Go(func() { h.write(i) })
		h.wg.Go(func() { h.readStrongly(i) })
		h.wg.Go(func() { h.turn(i) })
	}
	return h
}

// end ends the history, and checks that it was one.
func (h *history) end() {
	h.w.T.Helper()
	close(h.stop)
	h.wg.Wait()
	if h.writes.Load() < 20 || h.strong.Load() < 100 || h.turned.Load() < 100 {
		h.w.T.Errorf("there were %d writes, %d linearizable reads and %d by clients that turn", h.writes.Load(), h.strong.Load(), h.turned.Load())
	}
}

// ask calls f until the history ends.
func (h *history) ask(pause time.Duration, f func(ctx context.Context)) {
	for !story.IsDone(h.stop) {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		f(ctx)
		cancel()
		h.w.Sleep(pause)
	}
}

func (h *history) write(i int) {
	c := h.w.Client.Of(h.w.Masters[i], h.w.Masters[(i+1)%3])
	h.ask(60*time.Millisecond, func(ctx context.Context) {
		if _, err := h.w.Client.Try(ctx, c, h.w.Client.Sleeping(10*time.Millisecond)); err == nil {
			h.writes.Add(1)
		}
	})
}

// readStrongly asks one master for linearizable reads, which it may carry to the
// leader. It is not kept from masters that are cut off.
func (h *history) readStrongly(i int) {
	h.ask(15*time.Millisecond, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond) // it may be carried to a leader that is gone
		defer cancel()
		if g, err := glanceAt(ctx, h.w.Observer, h.w.Masters[i], "", linearizable); err == nil && g.status == http.StatusOK {
			h.strong.Add(1)
		}
	})
}

// turn reads at one master after the other, each time with the index that it has
// seen.
func (h *history) turn(i int) {
	seen, at, by := uint64(0), i, fmt.Sprintf("reader %d", i)
	h.ask(10*time.Millisecond, func(ctx context.Context) {
		at++
		ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond) // if this one does not have it, the next one
		defer cancel()
		g, err := glanceAt(ctx, h.w.Observer, h.w.Masters[at%3], by, fmt.Sprintf("min_index=%d", seen))
		if err == nil && g.status == http.StatusOK {
			seen = g.Index
			h.turned.Add(1)
		}
	})
}
