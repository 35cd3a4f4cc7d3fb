package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/commit"
)

// barrierTimeout bounds one barrier.
const barrierTimeout = 10 * time.Second

// barriers shares one barrier of Raft among all who arrived before it started.
type barriers struct {
	start func(ctx context.Context) error // runs one barrier
	wg    sync.WaitGroup                  // of run; the node waits for it

	mu      sync.Mutex
	running bool   // under mu
	next    *round // under mu; who arrives joins it
}

// round is one barrier and those who wait for it.
type round struct {
	done chan struct{}
	err  error // valid after done
}

// Barrier returns when this node, as the leader, has applied everything that
// was acknowledged before the call. Callers share barriers: one costs an entry
// of the log. VerifyLeader would be cheaper, but it proved stale under a leader
// that was paused.
func (n *Node) Barrier(ctx context.Context) error {
	if !n.IsLeader() {
		return commit.NotLeaderError(n.otherLeaderURL())
	}
	err := n.barriers.wait(ctx)
	switch commit.FateOf(err) {
	case commit.Committed:
		return nil
	case commit.NotLeader:
		return commit.NotLeaderError(n.otherLeaderURL())
	default:
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// A barrier changes nothing: whatever became of it, asking again is safe.
		return commit.NotLeaderError("")
	}
}

// wait joins the next round and waits for it, until ctx ends.
func (b *barriers) wait(ctx context.Context) error {
	b.mu.Lock()
	if b.next == nil {
		b.next = &round{done: make(chan struct{})}
	}
	own := b.next
	if !b.running {
		b.running = true
		b.wg.Go(b.run)
	}
	b.mu.Unlock()
	select {
	case <-own.done:
		return own.err
	case <-ctx.Done():
		return commit.ErrAbandoned
	}
}

// run runs rounds while somebody waits for one. Each is bounded, and so is run:
// when the node stops, they fail at once.
func (b *barriers) run() {
	for {
		b.mu.Lock()
		own := b.next
		b.next = nil
		if own == nil {
			b.running = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), barrierTimeout)
		own.err = b.start(ctx)
		cancel()
		close(own.done)
	}
}

// raftBarrier runs one barrier of Raft.
func (n *Node) raftBarrier(ctx context.Context) error {
	r := n.raft.Load()
	if r == nil {
		return raft.ErrNotLeader
	}
	return n.futures.Await(ctx, func() raft.Future { return r.Barrier(commit.EnqueueTimeout) })
}
