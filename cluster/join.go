package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"muster/fsm"
	"muster/task"
	"muster/task/baseurl"
	"muster/task/wait"
)

const (
	// catchUpPoll is how often a joiner is asked how far it is, and catchUpReach
	// how many indexes behind it may be to vote.
	catchUpPoll  = 100 * time.Millisecond
	catchUpReach = 512
	// undoTimeout bounds taking back a join that failed.
	undoTimeout = 10 * time.Second
)

// Join takes a master in, at the leader, and returns when it votes. It may be
// repeated: for a member it only brings the registry up to date. A refusal has
// changed nothing: CodeIDTaken, CodeAddressTaken, CodeMasterUnreachable,
// CodeWrongCluster, CodeNotCaughtUp, CodeMembershipBusy, CodeQuorumAtRisk,
// CodeInvalidRequest. After CodeOutcomeUnknown, ask again. With Replace, a member
// that has its disk is noted at its new addresses (move); otherwise whoever is in
// the way is removed, and stays out if the joiner then does not catch up.
//
// The order is what makes that so. Everything that can be found out is found out
// first, and above all that the joiner answers at both of its addresses: Raft
// takes a voter that it can't reach without an error, and a cluster of one is
// then without a majority for good. The joiner begins as a non-voter, which
// can't harm, and votes only when it says itself that it has caught up.
func (n *Node) Join(ctx context.Context, req task.JoinRequest) error {
	r, err := n.leading()
	if err != nil {
		return err
	}
	if err := validateJoin(req); err != nil {
		return err
	}
	if s, ok := server(r.GetConfiguration().Configuration(), req.ID); ok && s.Suffrage == raft.Voter {
		switch {
		case !req.Replace && s.Address == raft.ServerAddress(req.RaftAddress):
			return n.rejoin(ctx, req)
		case req.Replace && req.ID != n.cfg.ID && n.isHere(ctx, req):
			return n.move(ctx, r, req)
		}
	}
	done, err := n.changeMembership()
	if err != nil {
		return err
	}
	defer done()
	return n.takeIn(ctx, r, req)
}

func validateJoin(req task.JoinRequest) error {
	refuse := func(why string, args ...any) error {
		return task.Refuse(task.CodeInvalidRequest, fmt.Sprintf("join request: "+why, args...))
	}
	if req.ID == "" || len(req.ID) > task.MaxNameBytes { // its grammar is for who is new
		return refuse("the id must have 1 to %d bytes", task.MaxNameBytes)
	}
	if err := baseurl.CheckAddress(req.RaftAddress); err != nil {
		return refuse("the Raft address %q %s", req.RaftAddress, err)
	}
	if len(req.APIURL) > task.MaxURLBytes {
		return refuse("the API URL has %d bytes; at most %d are possible", len(req.APIURL), task.MaxURLBytes)
	}
	if _, err := baseurl.Parse(req.APIURL); err != nil {
		return refuse("the API URL %q %s", req.APIURL, err)
	}
	return nil
}

// rejoin serves a voter that asks again: because its answer was lost, or because
// its API URL or its version has changed.
func (n *Node) rejoin(ctx context.Context, req task.JoinRequest) error {
	if err := n.checkAPIURL(req); err != nil {
		return err
	}
	h, err := n.dialBackAPI(ctx, req)
	if err != nil {
		return err
	}
	// A joiner knows its cluster before it gets its vote (catchUp), and a founder
	// before Raft runs. So this voter's disk is another one than it was.
	if h.ClusterID == "" {
		return task.Refuse(task.CodeIDTaken, "master "+req.ID+" is a member already, and the one that asks has an empty disk: it has forgotten what it voted. Remove "+req.ID+" first and join with a new id, or join with replace")
	}
	return n.register(ctx, req)
}

// register writes a master's entry of the registry, if it is not there already.
func (n *Node) register(ctx context.Context, req task.JoinRequest) error {
	if sameEntry(n.View().Masters(), req) {
		return nil
	}
	return n.write(ctx, fsm.Proposal{Command: putMaster(req)})
}

// takeIn makes req a voter.
func (n *Node) takeIn(ctx context.Context, r *raft.Raft, req task.JoinRequest) error {
	inTheWay, err := n.conflicts(r, req)
	if err != nil {
		return err
	}
	if err := n.dialBack(ctx, req); err != nil {
		return err
	}
	for _, id := range inTheWay {
		if err := n.guardQuorum(ctx, r, id); err != nil {
			return err
		}
	}
	for _, id := range inTheWay {
		if err := n.remove(ctx, r, id); err != nil {
			return err
		}
	}
	if err := n.admit(ctx, r, req); err != nil {
		return n.undo(ctx, r, req, err)
	}
	n.logger.Info("master joined", "id", req.ID, "raft_address", req.RaftAddress, "api_url", req.APIURL)
	return nil
}

// conflicts returns the members that Replace removes first: those with the same
// id or the same address. Without Replace they are a refusal, but for a
// non-voter that asks again.
func (n *Node) conflicts(r *raft.Raft, req task.JoinRequest) ([]string, error) {
	var inTheWay []string
	for _, s := range r.GetConfiguration().Configuration().Servers {
		sameID, sameAddress := s.ID == raft.ServerID(req.ID), s.Address == raft.ServerAddress(req.RaftAddress)
		if !sameID && !sameAddress || sameID && sameAddress && s.Suffrage != raft.Voter {
			continue
		}
		if s.ID == raft.ServerID(n.cfg.ID) {
			return nil, task.Refuse(task.CodeIDTaken, "master "+n.cfg.ID+" is the leader at "+n.cfg.RaftAdvertise+"; it can't be joined or replaced")
		}
		switch {
		case req.Replace:
			inTheWay = append(inTheWay, string(s.ID))
		case sameID:
			return nil, task.Refuse(task.CodeIDTaken, fmt.Sprintf("master %s is a member already, at %s; give a new master an id of its own, or move that one to %s by POST /join with replace", req.ID, s.Address, req.RaftAddress))
		default:
			return nil, task.Refuse(task.CodeAddressTaken, fmt.Sprintf("the Raft address %s belongs to master %s; to put %s in its place, join with replace", req.RaftAddress, s.ID, req.ID))
		}
	}
	if req.Replace {
		return inTheWay, nil
	}
	return nil, n.checkAPIURL(req)
}

func (n *Node) checkAPIURL(req task.JoinRequest) error {
	for _, m := range n.View().Masters() {
		if m.ID != req.ID && m.APIURL == req.APIURL {
			return task.Refuse(task.CodeAddressTaken, "the API URL "+req.APIURL+" belongs to master "+m.ID)
		}
	}
	return nil
}

// dialBack makes sure that the joiner answers at both of its addresses.
func (n *Node) dialBack(ctx context.Context, req task.JoinRequest) error {
	if err := n.dialBackRaft(ctx, req); err != nil {
		return err
	}
	_, err := n.dialBackAPI(ctx, req)
	return err
}

func (n *Node) dialBackRaft(ctx context.Context, req task.JoinRequest) error {
	if _, err := n.hail(ctx, req.ID, req.RaftAddress); err != nil {
		return task.Refuse(task.CodeMasterUnreachable, fmt.Sprintf("master %s does not answer at its Raft address %s: %v", req.ID, req.RaftAddress, err))
	}
	return nil
}

func (n *Node) dialBackAPI(ctx context.Context, req task.JoinRequest) (Hello, error) {
	h, err := n.hello(ctx, req.APIURL)
	if err != nil {
		return h, task.Refuse(task.CodeMasterUnreachable, fmt.Sprintf("master %s does not answer at its API URL %s: %v", req.ID, req.APIURL, err))
	}
	if h.ID != req.ID {
		return h, task.Refuse(task.CodeMasterUnreachable, fmt.Sprintf("at %s answers master %s, not %s", req.APIURL, h.ID, req.ID))
	}
	if own := n.identity.get().ClusterID; h.ClusterID != "" && h.ClusterID != own {
		return h, task.Refuse(task.CodeWrongCluster, fmt.Sprintf("master %s belongs to cluster %s; this one is %s", req.ID, h.ClusterID, own))
	}
	return h, nil
}

// admit writes the registry's entry, adds the joiner without a vote, and gives
// it one when it has caught up.
func (n *Node) admit(ctx context.Context, r *raft.Raft, req task.JoinRequest) error {
	if err := n.write(ctx, fsm.Proposal{Command: putMaster(req)}); err != nil {
		return err
	}
	id, at := raft.ServerID(req.ID), raft.ServerAddress(req.RaftAddress)
	// Also for one that is a non-voter already: the joiner knows itself taken in
	// by an entry that is newer than its request.
	err := n.change(ctx, func() raft.Future { return r.AddNonvoter(id, at, 0, beginTimeout) })
	if err != nil {
		return err
	}
	// A command after that entry. A disk that is wiped later asks the leader for
	// the index of its last command, and the entry must not look newer than that:
	// see joiningRow.Since.
	if err := n.write(ctx, fsm.Proposal{Command: putMaster(req)}); err != nil {
		return err
	}
	if err := n.catchUp(ctx, r, req); err != nil {
		return err
	}
	return n.change(ctx, func() raft.Future { return r.AddVoter(id, at, 0, beginTimeout) })
}

// catchUp waits until the joiner says, twice in a row, that it belongs to this
// cluster and has applied nearly all that the leader has.
func (n *Node) catchUp(ctx context.Context, r *raft.Raft, req task.JoinRequest) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.JoinTimeout)
	defer cancel()
	own, entry, caught := n.identity.get().ClusterID, n.AppliedIndex(), 0
	var last string
	for {
		h, err := n.hello(ctx, req.APIURL)
		behind := n.AppliedIndex() > h.AppliedIndex+catchUpReach || h.AppliedIndex < entry
		switch {
		case err != nil:
			caught, last = 0, "it did not answer: "+err.Error()
		case h.ID != req.ID || h.ClusterID != own || behind:
			caught, last = 0, fmt.Sprintf("it had applied %d of %d", h.AppliedIndex, n.AppliedIndex())
		default:
			caught++
		}
		if caught == 2 {
			return nil
		}
		if r.State() != raft.Leader {
			return task.Refuse(task.CodeOutcomeUnknown, "leadership was lost while master "+req.ID+" was catching up; ask again")
		}
		if !wait.Sleep(ctx, catchUpPoll) {
			return task.Refuse(task.CodeNotCaughtUp, fmt.Sprintf("master %s did not catch up within %s: %s", req.ID, n.cfg.JoinTimeout, last))
		}
	}
}

// undo takes back what a failed join has written, also when its caller is gone.
func (n *Node) undo(ctx context.Context, r *raft.Raft, req task.JoinRequest, reason error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if isVoter(r.GetConfiguration().Configuration(), req.ID) {
		return reason // AddVoter's fate is not known; as a voter it is caught up
	}
	if err := n.remove(ctx, r, req.ID); err != nil {
		return task.Refuse(task.CodeOutcomeUnknown, fmt.Sprintf("master %s was not taken in (%v), and that could not be taken back (%v); ask again or remove it", req.ID, reason, err))
	}
	return reason
}

// remove takes a server out of Raft's configuration and then out of the
// registry, where it is. The caller has made sure of the quorum.
func (n *Node) remove(ctx context.Context, r *raft.Raft, id string) error {
	if _, member := server(r.GetConfiguration().Configuration(), id); member {
		err := n.change(ctx, func() raft.Future { return r.RemoveServer(raft.ServerID(id), 0, beginTimeout) })
		if err != nil {
			return err
		}
	}
	for _, m := range n.View().Masters() {
		if m.ID == id {
			return n.write(ctx, fsm.Proposal{Command: fsm.RemoveMaster{ID: id}})
		}
	}
	return nil
}
