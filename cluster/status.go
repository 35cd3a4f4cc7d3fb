package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// readyReach is how many commands a ready node may be behind.
	readyReach = 1024
	// readyContacts is how many times Timings.Silence a ready node may be without the
	// leader.
	readyContacts = 2
)

// Hello returns what this node says of itself to other masters.
func (n *Node) Hello() Hello {
	id := n.identity.get()
	leader, url := n.Leader()
	h := Hello{
		ID: id.ID, DiskID: id.DiskID, ClusterID: id.ClusterID, Founders: id.disks(),
		RaftAddress: n.cfg.RaftAdvertise, APIURL: n.cfg.APIURL,
		WallClock: n.wallClock(),
		FreeDisk:  n.disk.Bytes(), DiskLow: n.disk.Low(),
		AppliedIndex: n.AppliedIndex(), Term: n.Term(), LeaderID: leader, LeaderURL: url,
	}
	if err := n.Ready(); err != nil {
		h.NotReady = err.Error()
	}
	h.Ready = h.NotReady == ""
	return h
}

// ClusterID names the cluster that this node belongs to; empty before it does.
func (n *Node) ClusterID() string { return n.identity.get().ClusterID }

// Term returns Raft's term as this node knows it, 0 before Raft runs.
func (n *Node) Term() uint64 {
	r := n.raft.Load()
	if r == nil {
		return 0
	}
	return r.CurrentTerm()
}

// LastContact returns the time since this node heard from the leader: 0 on the
// leader, negative if never.
func (n *Node) LastContact() time.Duration {
	r := n.raft.Load()
	switch {
	case r == nil || r.LastContact().IsZero() && !n.IsLeader():
		return -1
	case n.IsLeader():
		return 0
	default:
		return time.Since(r.LastContact())
	}
}

// Ready returns nil if this node votes, knows a leader that it heard from just now,
// and its View has reached what the leader had committed when this node first heard
// of it after its start. It ceases to be ready when its View falls behind by more
// than readyReach commands. A leader is ready once it has taken over, and while its
// work goes on. Otherwise Ready says what is missing.
func (n *Node) Ready() error {
	r := n.raft.Load()
	if id := n.identity.get(); r == nil || !id.member() {
		return errors.New("this master does not belong to a cluster yet")
	}
	if err := n.removed(r); err != nil {
		return err
	}
	self, member := server(r.GetConfiguration().Configuration(), n.cfg.ID)
	if !member {
		return errors.New("this master is not a member of its cluster")
	}
	if leader, _ := n.Leader(); leader == "" {
		if from, yes := n.moved(r); yes {
			return fmt.Errorf("no leader is known; the others still look for this master at %s, and it asks them to note %s", from, n.cfg.RaftAdvertise)
		}
		return errors.New("no leader is known")
	}
	if n.IsLeader() && n.tookOver.Load() != n.Term() {
		return errors.New("this master has just become the leader and does not show everything yet")
	}
	if limit := readyContacts * n.cfg.Timings.Silence; n.LastContact() > limit {
		return fmt.Errorf("nothing was heard from the leader for %s", n.LastContact().Round(time.Millisecond))
	}
	// Raft does not keep the commit index: after a start nothing is applied behind the
	// snapshot, and nothing is known of, until the leader sends more than heartbeats.
	target, committed := n.gate.target.Load(), max(r.CommitIndex(), n.gate.commit.Load())
	switch {
	case target == 0:
		return errors.New("the leader has not told yet how far the log is")
	case n.missing(r, target) > 0 || n.missing(r, committed) > readyReach:
		return fmt.Errorf("this master has applied the log up to entry %d of %d", n.AppliedIndex(), committed)
	case self.Suffrage != raft.Voter:
		return errors.New("this master is caught up, and the leader has not given it its vote yet")
	}
	return nil
}

// missing returns how many commands up to a committed index the View does not show.
func (n *Node) missing(r *raft.Raft, committed uint64) uint64 {
	// What Raft has handed over is the cluster's log; what is behind it may be
	// entries that were never committed.
	handed := min(r.AppliedIndex(), committed)
	shown := max(n.AppliedIndex(), min(n.store.Snapshots.Newest(), handed))
	return n.store.Log.Backlog.Missing(shown, handed) + committed - handed
}
