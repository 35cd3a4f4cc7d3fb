package cluster

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"muster/task/wait"
)

const (
	// diskPoll is how often the free space is looked at.
	diskPoll = time.Second
	// diskHandOverPause is how long a leader whose disk is low waits after it has
	// handed leadership away, or could not, before it does so again.
	diskHandOverPause = 10 * time.Second
)

// diskGuard knows whether the disk is too full for new tasks. Results are taken
// all the same: they free more than they need.
//
// The space is low below min, and until there is a quarter more than that: a master
// that hands leadership away for want of space only gets it back, by another that does
// the same, when it has clearly got space.
type diskGuard struct {
	dir    string
	min    uint64
	free   func(dir string) (uint64, error)
	logger *slog.Logger

	low   atomic.Bool
	bytes atomic.Uint64
	// alone is set while this master leads, its disk is low, and no master that
	// votes is known to have space.
	alone atomic.Bool
}

// run polls until ctx ends.
func (g *diskGuard) run(ctx context.Context) {
	wait.Every(ctx, diskPoll, g.look)
}

// look polls once. If the space can't be told, the last answer stands.
func (g *diskGuard) look() {
	free, err := g.free(g.dir)
	if err != nil {
		g.logger.Warn("free disk space is unknown", "dir", g.dir, "error", err)
		return
	}
	g.bytes.Store(free)
	was := g.low.Load()
	low := free < g.min || was && free < g.min+g.min/4
	g.low.Store(low)
	switch {
	case low && !was:
		g.logger.Warn("disk is low: as the leader, this master hands leadership to one that has space, or takes no new tasks", "dir", g.dir, "free", free, "min", g.min)
	case was && !low:
		g.alone.Store(false)
		g.logger.Info("disk has space again", "dir", g.dir, "free", free)
	}
}

// refuses tells whether a leader takes no new tasks. While it looks for a master that
// has space it still takes some, for which there is the other half of min.
func (g *diskGuard) refuses() bool {
	return g.low.Load() && (g.alone.Load() || g.bytes.Load() < g.min/2)
}

// spaceKeeper is a leader that looks after its disk's space.
type spaceKeeper struct {
	disk *diskGuard
	// handOver hands leadership to a master that has space, if there is one.
	handOver func(ctx context.Context) (tried, handed bool)
	leads    func() bool
	last     time.Time // when it last tried
}

// look hands leadership over if the space is low, or has new tasks refused.
func (k *spaceKeeper) look(ctx context.Context) {
	if !k.disk.low.Load() || !k.leads() {
		return
	}
	if !k.last.IsZero() && time.Since(k.last) < diskHandOverPause {
		k.disk.alone.Store(true)
		return
	}
	tried, handed := k.handOver(ctx)
	if tried {
		k.last = time.Now()
	}
	k.disk.alone.Store(!handed && k.leads())
}

// keepSpace looks after the disk's space while this node leads.
func (n *Node) keepSpace(ctx context.Context) {
	defer n.disk.alone.Store(false)
	wait.Every(ctx, diskPoll, func() { n.space.look(ctx) })
}

// handOverForSpace hands leadership to the master that is best to lead among those
// that say that their disks are not low. One of an older version does not say.
func (n *Node) handOverForSpace(ctx context.Context, r *raft.Raft) (tried, handed bool) {
	to, ok := n.successor(ctx, r, func(h Hello) bool { return h.Ready && h.hasSpace() })
	if !ok {
		return false, false
	}
	n.logger.Warn("disk is low: handing leadership over", "to", to.ID, "free", n.disk.bytes.Load(), "min", n.disk.min)
	return true, n.transferTo(ctx, r, to)
}
