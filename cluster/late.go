package cluster

import (
	"context"
	"sync/atomic"
	"time"
)

const (
	// lateEvery is how often it is looked how late this process is.
	lateEvery = 25 * time.Millisecond
	// lateKeeps is what of a delay still counts one look later. After a second without
	// any other, a hundredth of it does.
	lateKeeps = 0.9
	// lateShare is the part of the lease that a delay may take. Each of a heartbeat's
	// way to a follower and back goes through several goroutines that may be as late.
	lateShare = 10
)

// lateness measures how late goroutines of this process get to do what is due: they
// wait for the operating system to run the process, and for their turn among its
// goroutines. Raft's heartbeats and its main loop wait as long.
type lateness struct{ recent atomic.Int64 } // a time.Duration

// run measures until ctx ends.
func (l *lateness) run(ctx context.Context, observe func(time.Duration)) {
	look := time.NewTimer(lateEvery)
	defer look.Stop()
	due := time.Now().Add(lateEvery)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now := time.Now()
		late := max(0, now.Sub(due))
		observe(late)
		l.add(late)
		due = now.Add(lateEvery)
		look.Reset(lateEvery)
	}
}

// add takes in what was measured: a peak counts at once, and then less and less.
func (l *lateness) add(late time.Duration) {
	faded := time.Duration(lateKeeps * float64(l.recent.Load()))
	l.recent.Store(int64(max(late, faded)))
}

// Late reports whether this node's loops run so late that it may lose leadership,
// should that go on.
func (n *Node) Late() bool {
	return time.Duration(n.late.recent.Load()) > n.cfg.Timings.Lease/lateShare
}
