package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"muster/task"
)

// A member whose addresses changed, because its machine did or its name, is known
// to the others by the old ones: in Raft's configuration, where they dial it, and
// in the registry, where clients and slaves find it. It can still call them, so it
// asks the leader to note the new ones, with its id and its disk as they were.
//
// When all masters moved at once nobody can be called where the configuration
// says. Then the list of founders that they are started with serves as a second
// place to look (elsewhere), until the leader has noted every address.

// moved reports whether Raft's configuration, as this disk has it, has this master at
// another address than it is at, and which. Whether it votes is not asked: it may have
// crashed before it got the entry that gave it the vote.
func (n *Node) moved(r *raft.Raft) (from string, yes bool) {
	s, ok := server(r.GetConfiguration().Configuration(), n.cfg.ID)
	if !ok || s.Address == raft.ServerAddress(n.cfg.RaftAdvertise) {
		return "", false
	}
	return string(s.Address), true
}

// elsewhere returns where this node's list has a master, if that is not at address;
// empty if nowhere else.
func (n *Node) elsewhere(id, address string) string {
	for _, f := range n.cfg.Founders {
		if f.ID == id && f.RaftAddress != address {
			return f.RaftAddress
		}
	}
	return ""
}

// askToMove has the leader note this node's new addresses.
func (n *Node) askToMove(ctx context.Context, r *raft.Raft) error {
	req := n.self()
	req.Replace = true
	if r.State() == raft.Leader {
		return n.move(ctx, r, req)
	}
	leader := n.findLeader(ctx, r)
	if leader == "" {
		return errors.New("no master that answers knows a leader")
	}
	_, err := n.askOne(ctx, leader, req)
	return err
}

// findLeader asks the other masters, wherever they may be, who leads, and returns
// the leader's API URL; empty if nobody knows.
func (n *Node) findLeader(ctx context.Context, r *raft.Raft) string {
	var urls []string
	for _, m := range n.Masters() {
		urls = append(urls, m.APIURL)
	}
	for _, f := range n.cfg.Founders {
		urls = append(urls, f.APIURL)
	}
	urls = append(urls, n.cfg.Join...)
	if leader := n.leaderBy(ctx, urls); leader != "" {
		return leader
	}
	// After a start the registry is not there until a leader sends, and this disk may
	// know the others by their Raft addresses alone.
	urls = nil
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if s.ID == raft.ServerID(n.cfg.ID) {
			continue
		}
		if url, err := n.hail(ctx, string(s.ID), string(s.Address)); err == nil {
			urls = append(urls, url)
		}
	}
	return n.leaderBy(ctx, urls)
}

// leaderBy returns the API URL of the leader that one of these masters knows.
func (n *Node) leaderBy(ctx context.Context, urls []string) string {
	own, asked := n.identity.get().ClusterID, map[string]bool{"": true, n.cfg.APIURL: true}
	for _, url := range urls {
		if asked[url] || len(asked) > maxAsked {
			continue
		}
		asked[url] = true
		h, err := n.hello(ctx, url)
		if err == nil && h.ClusterID == own && h.LeaderID != n.cfg.ID && h.LeaderURL != "" {
			return h.LeaderURL
		}
	}
	return ""
}

// hail asks who is at a Raft address, and returns the API URL of the master that is
// meant.
func (n *Node) hail(ctx context.Context, id, address string) (apiURL string, err error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	w, err := n.cfg.Transport.hail(ctx, id, address)
	return w.APIURL, err
}

// isHere reports whether the voter that asks to join is the member that it says it
// is, with the disk that it has always had: a disk that was wiped knows no cluster.
func (n *Node) isHere(ctx context.Context, req task.JoinRequest) bool {
	h, err := n.hello(ctx, req.APIURL)
	return err == nil && h.ID == req.ID && h.ClusterID == n.identity.get().ClusterID
}

// move notes a voter's new addresses, at the leader; the voter may be the leader
// itself. A refusal has changed nothing.
func (n *Node) move(ctx context.Context, r *raft.Raft, req task.JoinRequest) error {
	done, err := n.changeMembership()
	if err != nil {
		return err
	}
	defer done()
	c := r.GetConfiguration().Configuration()
	for _, s := range c.Servers {
		if s.ID != raft.ServerID(req.ID) && s.Address == raft.ServerAddress(req.RaftAddress) {
			return task.Refuse(task.CodeAddressTaken, fmt.Sprintf("master %s can't move to %s: master %s is noted there. If that one has moved, too, start it where it is now; if the two change places, move one of them to a third address first", req.ID, req.RaftAddress, s.ID))
		}
	}
	if err := n.checkAPIURL(req); err != nil {
		return err
	}
	if req.ID != n.cfg.ID {
		if err := n.dialBack(ctx, req); err != nil {
			return err
		}
		if err := n.onlyOnce(ctx, req); err != nil {
			return err
		}
	}
	old, _ := server(c, req.ID)
	moved := old.Address != raft.ServerAddress(req.RaftAddress)
	if moved && req.ID != n.cfg.ID {
		if err := n.guardQuorum(ctx, r, req.ID); err != nil {
			return err
		}
	}
	if err := n.register(ctx, req); err != nil || !moved {
		return err
	}
	if err := n.readdress(ctx, r, req); err != nil {
		return err
	}
	n.logger.Info("master moved", "id", req.ID, "from", old.Address, "raft_address", req.RaftAddress, "api_url", req.APIURL)
	return nil
}

// readdress changes a voter's address in Raft's configuration. Of a voter that it
// knows, AddVoter changes nothing else; but while it does, Raft's replication to
// another master reads what it writes (followerReplication.peer, without its lock). So
// another is taken out first. If this leader is lost between the two steps, the one
// that moved asks the next.
func (n *Node) readdress(ctx context.Context, r *raft.Raft, req task.JoinRequest) error {
	if req.ID != n.cfg.ID {
		err := n.change(ctx, func() raft.Future { return r.RemoveServer(raft.ServerID(req.ID), 0, beginTimeout) })
		if err != nil {
			return err
		}
	}
	// Although the caller may be gone: it is a member.
	return n.change(context.WithoutCancel(ctx), func() raft.Future {
		return r.AddVoter(raft.ServerID(req.ID), raft.ServerAddress(req.RaftAddress), 0, beginTimeout)
	})
}

// onlyOnce refuses to move a master that still answers where it was: two processes
// on copies of one disk would both vote. One that is reached at both places says
// which addresses are its own now.
func (n *Node) onlyOnce(ctx context.Context, req task.JoinRequest) error {
	old := n.apiURL(req.ID)
	if old == "" || old == req.APIURL {
		return nil
	}
	h, err := n.hello(ctx, old)
	if err != nil || h.ID != req.ID || h.RaftAddress == req.RaftAddress && h.APIURL == req.APIURL {
		return nil //nolint:nilerr // nobody there, as it should be
	}
	return task.Refuse(task.CodeIDTaken, fmt.Sprintf("master %s answers at %s, too: it runs twice. Stop one of the two, and if its disk is a copy, empty it", req.ID, old))
}
