package cluster

import (
	"context"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/store"
	"muster/task/wait"
)

// diskHandOverPause is how long a leader whose disk is low waits after it has
// handed leadership away, or could not, before it does so again.
const diskHandOverPause = 10 * time.Second

// spaceKeeper is a leader that looks after its disk's space.
type spaceKeeper struct {
	disk *store.Space
	// handOver hands leadership to a master that has space, if there is one.
	handOver func(ctx context.Context) (tried, handed bool)
	leads    func() bool
	last     time.Time // when it last tried
}

// look hands leadership over if the space is low, or has new tasks refused.
func (k *spaceKeeper) look(ctx context.Context) {
	if !k.disk.Low() || !k.leads() {
		return
	}
	if !k.last.IsZero() && time.Since(k.last) < diskHandOverPause {
		k.disk.Alone.Store(true)
		return
	}
	tried, handed := k.handOver(ctx)
	if tried {
		k.last = time.Now()
	}
	k.disk.Alone.Store(!handed && k.leads())
}

// keepSpace looks after the disk's space while this node leads.
func (n *Node) keepSpace(ctx context.Context) {
	defer n.disk.Alone.Store(false)
	wait.Every(ctx, store.SpacePoll, func() { n.space.look(ctx) })
}

// handOverForSpace hands leadership to the master that is best to lead among those
// that say that their disks are not low. One of an older version does not say.
func (n *Node) handOverForSpace(ctx context.Context, r *raft.Raft) (tried, handed bool) {
	to, ok := n.successor(ctx, r, func(h Hello) bool { return h.Ready && h.hasSpace() })
	if !ok {
		return false, false
	}
	n.logger.Warn("disk is low: handing leadership over", "to", to.ID, "free", n.disk.Bytes(), "min", n.disk.Min)
	return true, n.transferTo(ctx, r, to)
}
