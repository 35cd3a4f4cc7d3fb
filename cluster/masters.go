package cluster

import (
	"slices"
	"strings"

	"github.com/hashicorp/raft"

	"muster/task"
)

// Masters lists the members, by id: the registry's entries with what Raft knows
// of their roles. A founder that has not announced itself yet is listed from the
// list that formed the cluster. A master that joined knows no API URL but its own
// until it has applied the others' entries.
func (n *Node) Masters() []task.Master {
	r := n.raft.Load()
	if r == nil {
		return n.View().Masters()
	}
	known := map[string]task.Master{}
	for _, f := range n.identity.get().Founders {
		known[f.ID] = task.Master{ID: f.ID, RaftAddress: f.RaftAddress, APIURL: f.APIURL}
	}
	if _, listed := known[n.cfg.ID]; !listed { // it joined, and the registry may not be applied yet
		known[n.cfg.ID] = task.Master{APIURL: n.cfg.APIURL}
	}
	for _, m := range n.View().Masters() {
		known[m.ID] = m
	}
	leader, _ := n.Leader()
	var masters []task.Master
	for _, s := range r.GetConfiguration().Configuration().Servers {
		m := known[string(s.ID)]
		m.ID, m.RaftAddress = string(s.ID), string(s.Address)
		m.Voter = s.Suffrage == raft.Voter
		switch {
		case m.ID == leader:
			m.Role = task.Leader
		case m.Voter:
			m.Role = task.Follower
		default:
			m.Role = task.Joining
		}
		masters = append(masters, m)
	}
	slices.SortFunc(masters, func(a, b task.Master) int { return strings.Compare(a.ID, b.ID) })
	return masters
}

// IsLeader reports whether this node is the leader, as far as it knows.
func (n *Node) IsLeader() bool {
	r := n.raft.Load()
	return r != nil && r.State() == raft.Leader
}

// Leader returns the leader's id and its API URL as the registry has it; both
// are empty while no leader is known.
func (n *Node) Leader() (id, apiURL string) {
	r := n.raft.Load()
	if r == nil {
		return "", ""
	}
	_, leader := r.LeaderWithID()
	switch id = string(leader); id {
	case "":
		return "", ""
	case n.cfg.ID:
		return id, n.cfg.APIURL
	default:
		return id, n.apiURL(id)
	}
}

// apiURL returns a master's API URL, empty if it is not known.
func (n *Node) apiURL(id string) string {
	for _, m := range n.View().Masters() {
		if m.ID == id {
			return m.APIURL
		}
	}
	for _, f := range n.identity.get().Founders {
		if f.ID == id {
			return f.APIURL
		}
	}
	return ""
}

// otherLeaderURL returns the leader's API URL, if it is another master.
func (n *Node) otherLeaderURL() string {
	id, url := n.Leader()
	if id == n.cfg.ID {
		return ""
	}
	return url
}
