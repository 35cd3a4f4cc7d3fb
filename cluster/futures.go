package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/task/wait"
)

// errAbandoned: nobody waited for a future any longer.
var errAbandoned = errors.New("no answer from raft in time")

// futures are the waits for answers of Raft that are under way. A future can
// only be waited for by a goroutine that blocks, and Raft never answers one that
// its state machine's queue holds when it shuts down. So the node lets all of
// them finish before it shuts Raft down, and starts no new ones.
type futures struct {
	mu      sync.Mutex
	running int           // under mu
	closed  bool          // under mu
	idle    chan struct{} // made by close, closed when running is 0

	gone     chan struct{} // closed by giveUp
	goneOnce sync.Once
}

func newFutures() *futures { return &futures{gone: make(chan struct{})} }

// giveUp ends all waits at once: the node has failed, and Raft may never answer.
func (f *futures) giveUp() { f.goneOnce.Do(func() { close(f.gone) }) }

// await starts something and waits for its answer until ctx ends.
func (f *futures) await(ctx context.Context, start func() raft.Future) error {
	if !f.begin() {
		return raft.ErrRaftShutdown
	}
	answer := make(chan error, 1)
	go func() {
		defer f.end()
		answer <- start().Error()
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return errAbandoned
	case <-f.gone:
		return errAbandoned
	}
}

func (f *futures) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-f.gone:
		return false
	default:
	}
	if f.closed {
		return false
	}
	f.running++
	return true
}

func (f *futures) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	if f.closed && f.running == 0 {
		close(f.idle)
	}
}

// close refuses new waits and waits for those under way, at most d.
func (f *futures) close(d time.Duration) bool {
	f.mu.Lock()
	if !f.closed {
		f.closed, f.idle = true, make(chan struct{})
		if f.running == 0 {
			close(f.idle)
		}
	}
	f.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-f.idle:
		return true
	case <-t.C:
		return false
	case <-f.gone:
		return wait.For(f.idle, min(d, dropTimeout))
	}
}
