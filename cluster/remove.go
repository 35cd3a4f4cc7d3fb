package cluster

import (
	"context"
	"time"

	"github.com/hashicorp/raft"

	"muster/task"
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
		return notLeaderError(n.otherLeaderURL())
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
// CodeMasterNotFound, CodeNotCaughtUp for one without a vote,
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
		return task.Refuse(task.CodeNotCaughtUp, "master "+id+" has no vote yet, so it can't lead")
	}
	// While Raft waits for a dead one to take over, it takes no entries.
	alive := false
	for _, a := range n.askVoters(ctx, r) {
		alive = alive || a.server.ID == to.ID
	}
	if !alive {
		return task.Refuse(task.CodeMasterUnreachable, "master "+id+" does not answer, so it can't take leadership over")
	}
	waiting, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	err = n.futures.await(waiting, func() raft.Future { return r.LeadershipTransferToServer(to.ID, to.Address) })
	// Raft's answer may be "time-out" although the transfer goes on.
	if n.awaitLeader(ctx, func(leader string) bool { return leader == id }) {
		return nil
	}
	if err == nil {
		return task.Refuse(task.CodeOutcomeUnknown, "leadership was given up, but master "+id+" did not win the election in time")
	}
	return task.Refuse(task.CodeMasterUnreachable, "master "+id+" did not take leadership over: "+err.Error())
}

// awaitLeader waits, for a short time, until the leader is as wanted.
func (n *Node) awaitLeader(ctx context.Context, wanted func(id string) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for {
		if id, _ := n.Leader(); wanted(id) {
			return true
		}
		if !sleep(ctx, 10*time.Millisecond) {
			return false
		}
	}
}
