package commit

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/task/wait"
)

// ErrAbandoned says that nobody waited for a future any longer.
var ErrAbandoned = errors.New("no answer from raft in time")

// DropTimeout is how long Close waits for answers after GiveUp: they may never come.
const DropTimeout = time.Second

// Futures are the waits for answers of Raft that are under way. A future can
// only be waited for by a goroutine that blocks, and Raft never answers one that
// its state machine's queue holds when it shuts down. So the node lets all of
// them finish before it shuts Raft down, and starts no new ones.
type Futures struct {
	mu      sync.Mutex
	running int           // under mu
	closed  bool          // under mu
	idle    chan struct{} // made by Close, closed when running is 0

	gone     chan struct{} // closed by GiveUp
	goneOnce sync.Once
}

// NewFutures returns none.
func NewFutures() *Futures { return &Futures{gone: make(chan struct{})} }

// GiveUp ends all waits at once: the node has failed, and Raft may never answer.
func (f *Futures) GiveUp() { f.goneOnce.Do(func() { close(f.gone) }) }

// Await starts something and waits for its answer until ctx ends.
func (f *Futures) Await(ctx context.Context, start func() raft.Future) error {
	if !f.Begin() {
		return raft.ErrRaftShutdown
	}
	answer := make(chan error, 1)
	go func() {
		defer f.End()
		answer <- start().Error()
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ErrAbandoned
	case <-f.gone:
		return ErrAbandoned
	}
}

// Begin reports whether a wait may begin that does not go by Await. If so, End follows.
func (f *Futures) Begin() bool {
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

// End ends what Begin began.
func (f *Futures) End() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.running--
	if f.closed && f.running == 0 {
		close(f.idle)
	}
}

// Close refuses new waits and waits for those under way, at most d.
func (f *Futures) Close(d time.Duration) bool {
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
		return wait.For(f.idle, min(d, DropTimeout))
	}
}
