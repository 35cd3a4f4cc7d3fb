package cluster

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/commit"
	"muster/task"
	"muster/task/wait"
)

// settleTimeout is how long a transfer of leadership may take to be seen.
const settleTimeout = 3 * time.Second

// RemoveMaster takes a master out, at the leader: CodeMasterNotFound,
// CodeQuorumAtRisk, CodeMembershipBusy. To remove the leader itself, it hands
// leadership over first and returns CodeNotLeader with the new leader's URL:
// asking there does the rest.
func (n *Node) RemoveMaster(ctx context.Context, id string) error {
	r, err := n.leading()
	if err != nil {
		return err
	}
	done, err := n.changeMembership()
	if err != nil {
		return err
	}
	defer done()
	if !n.knows(r, id) {
		return task.Refuse(task.CodeMasterNotFound, "there is no master "+id)
	}
	if err := n.guardQuorum(ctx, r, id); err != nil {
		return err
	}
	if id == n.cfg.ID {
		if !n.transfer(ctx, r) {
			return task.Refuse(task.CodeQuorumAtRisk, "master "+id+" is the leader, and no other took leadership over; it can't be taken out now")
		}
		n.awaitLeader(ctx, func(leader string) bool { return leader != "" && leader != id })
		return commit.NotLeaderError(n.otherLeaderURL())
	}
	if err := n.remove(ctx, r, id); err != nil {
		return err
	}
	n.logger.Info("master removed", "id", id)
	return nil
}

// knows reports whether the id is that of a member or in the registry.
func (n *Node) knows(r *raft.Raft, id string) bool {
	if _, member := server(r.GetConfiguration().Configuration(), id); member {
		return true
	}
	for _, m := range n.View().Masters() {
		if m.ID == id {
			return true
		}
	}
	return false
}

// TransferLeadership hands leadership to the master, at the leader:
// CodeMasterNotFound, CodeNotCaughtUp for one that has no vote or is not ready,
// CodeMasterUnreachable.
func (n *Node) TransferLeadership(ctx context.Context, id string) error {
	r, err := n.leading()
	if err != nil || id == n.cfg.ID {
		return err
	}
	to, member := server(r.GetConfiguration().Configuration(), id)
	if !member {
		return task.Refuse(task.CodeMasterNotFound, "there is no master "+id)
	}
	if to.Suffrage != raft.Voter {
		return task.Refuse(task.CodeNotCaughtUp, "master "+id+" has no vote yet, so it can't lead; it gets one when it has caught up")
	}
	if err := n.awaitSuccessor(ctx, id); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	err = n.futures.Await(waiting, func() raft.Future { return r.LeadershipTransferToServer(to.ID, to.Address) })
	// Raft's answer may be "time-out" although the transfer goes on.
	if n.awaitLeader(ctx, func(leader string) bool { return leader == id }) {
		return nil
	}
	if err == nil {
		return task.Refuse(task.CodeOutcomeUnknown, "leadership was given up, but master "+id+" did not win the election in time")
	}
	return task.Refuse(task.CodeMasterUnreachable, "master "+id+" did not take leadership over: "+err.Error())
}

// awaitSuccessor waits, for a short time, until the master says that it is ready. While
// Raft waits for a dead one to take over, it takes no entries; and one that is
// behind would lead without a dispatcher until it has applied the rest. It may have
// started just now.
func (n *Node) awaitSuccessor(ctx context.Context, id string) error {
	patience, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		h, err := n.hello(ctx, n.apiURL(id))
		switch {
		case err != nil:
			return task.Refuse(task.CodeMasterUnreachable, fmt.Sprintf("master %s does not answer at its API URL, so it can't take leadership over: %v", id, err))
		case h.ID != id || h.ClusterID != n.identity.get().ClusterID:
			return task.Refuse(task.CodeMasterUnreachable, fmt.Sprintf("at the API URL of master %s answers master %s of cluster %s, so it can't take leadership over", id, h.ID, h.ClusterID))
		case h.Ready:
			return nil
		}
		if !wait.Sleep(patience, catchUpPoll) {
			return task.Refuse(task.CodeNotCaughtUp, fmt.Sprintf("master %s is not ready to lead: it has applied entry %d, and the leader entry %d (it says: %s); try again when muster status calls it ready",
				id, h.AppliedIndex, n.AppliedIndex(), cmp.Or(h.NotReady, "not ready")))
		}
	}
}

// awaitLeader waits, for a short time, until the leader is as wanted.
func (n *Node) awaitLeader(ctx context.Context, wanted func(id string) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		if id, _ := n.Leader(); wanted(id) {
			return true
		}
		if !wait.Sleep(ctx, 10*time.Millisecond) {
			return false
		}
	}
}
