package cluster

import (
	"context"
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// raftElectorate is Raft, and what is known beside it.
type raftElectorate struct {
	n *Node
	r *raft.Raft
}

func (e raftElectorate) leader() string {
	_, id := e.r.LeaderWithID()
	return string(id)
}

func (e raftElectorate) contact() time.Time { return e.r.LastContact() }

func (e raftElectorate) members() raft.Configuration { return e.r.GetConfiguration().Configuration() }

func (e raftElectorate) outlook() outlook { return e.n.outlook() }

func (e raftElectorate) behind() bool { return e.n.gate.commit.Load() > e.r.LastIndex() }

// outlook is how this master sees its cluster.
func (n *Node) outlook() outlook {
	r := n.raft.Load()
	if r == nil {
		return outlook{}
	}
	_, leader := r.LeaderWithID()
	// A candidate of a TimeoutNow that another has beaten follows that one, and stays a
	// candidate for Raft until its time-out ends.
	stands := r.State() == raft.Candidate && leader == ""
	o := outlook{Votes: n.gate.votes.Load(), Leader: string(leader), Stands: stands, Last: n.lastEntry(r)}
	o.Hears = o.Leader == n.cfg.ID ||
		o.Leader != "" && n.cfg.Transport.connections().connected(o.Leader) && time.Since(r.LastContact()) < n.cfg.Timings.Silence
	return o
}

// lastEntry is where the log ends. Its end is in the log, or, right after a start or a
// snapshot from the leader, in a snapshot.
func (n *Node) lastEntry(r *raft.Raft) logEnd {
	p := logEnd{Index: r.LastIndex()}
	var l raft.Log
	if n.store.Log.GetLog(p.Index, &l) == nil {
		p.Term = l.Term
		return p
	}
	if snapshots, err := n.store.Snapshots.List(); err == nil && len(snapshots) > 0 && snapshots[0].Index == p.Index {
		p.Term = snapshots[0].Term
	}
	return p
}

// standEarly looks for a leader that is gone, until ctx ends.
func (n *Node) standEarly(ctx context.Context, r *raft.Raft) {
	e := &early{
		id: n.cfg.ID, hail: n.cfg.Transport.hail, raft: raftElectorate{n, r},
		gone: n.cfg.Transport.connections().gone, hears: n.cfg.Transport.connections().connected,
		at: func(id, address string) []string {
			return slices.DeleteFunc([]string{address, n.elsewhere(id, address)}, func(a string) bool { return a == "" })
		},
		giveUp:  n.gate.giveUpElection,
		stand:   n.gate.standForElection,
		silence: n.cfg.Timings.Silence,
		logger:  n.logger,
		count: func(cause suspicion, result string) {
			n.metrics.earlyElections.WithLabelValues(string(cause), result).Inc()
		},
	}
	e.run(ctx)
}
