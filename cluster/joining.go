package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"muster/fsm"
	"muster/task"
	"muster/task/wait"
)

const (
	// askExtra is what one request to join may take above JoinTimeout.
	askExtra = 10 * time.Second
	// announceEvery is how often a follower looks whether the registry has its
	// entry right.
	announceEvery   = time.Second
	announceBackoff = 15 * time.Second
	// maxAsked bounds how many masters a joiner asks in one round.
	maxAsked = 32
)

// prepareJoin learns which cluster this empty disk is about to join, and how far
// that is. See joiningRow.Since.
func (n *Node) prepareJoin(ctx context.Context, id identity) error {
	if id.Joining != nil {
		return nil
	}
	for attempt := 0; ; attempt++ {
		row, silent, err := n.askCluster(ctx, id)
		if err != nil {
			return err
		}
		if row.ClusterID != "" {
			return n.identity.update(func(i *identity) { i.Joining = &row })
		}
		if attempt%20 == 0 {
			n.tellWaiting(attempt, silent)
			if err := n.nobodyToJoin(ctx); err != nil {
				return err
			}
		}
		if !wait.Sleep(ctx, backoff(attempt)) {
			return context.Cause(ctx)
		}
	}
}

// tellWaiting says for whom a joiner waits, and what came of the questions. At first
// it is nothing unusual: the others may be starting, too.
func (n *Node) tellWaiting(attempt int, silent []error) {
	level := slog.LevelInfo
	var answers []string
	for _, err := range silent {
		if attempt > 0 || errors.Is(err, errPointless) {
			level = slog.LevelWarn
		}
		answers = append(answers, err.Error())
	}
	n.logger.Log(context.Background(), level, "waiting for the leader of the masters to join", "masters", n.cfg.Join, "answers", answers)
}

// askCluster asks the masters to join who they are, and the leader that they
// name. Only with the leader's answer it is known how far the cluster is: other
// masters may be far behind, and an old entry would then look new. Without it the row
// is empty, and silent says who is of no use, and why.
func (n *Node) askCluster(ctx context.Context, me identity) (row joiningRow, silent []error, err error) {
	led := false
	urls := slices.Clone(n.cfg.Join)
	var strays []string
	for i := 0; i < len(urls) && i < maxAsked; i++ {
		url := urls[i]
		h, err := n.helloToJoin(ctx, url, me)
		switch {
		case errors.Is(err, errPointless):
			silent = append(silent, err)
			if errors.Is(err, ErrSlave) || errors.Is(err, ErrRaftPort) {
				strays = append(strays, url)
			}
			continue
		case err != nil:
			silent = append(silent, fmt.Errorf("%s: %w", url, err))
			continue
		case h.ClusterID == "":
			silent = append(silent, fmt.Errorf("%s: master %s belongs to no cluster yet", url, h.ID))
			continue
		}
		if h.LeaderURL != "" && !slices.Contains(urls, h.LeaderURL) {
			urls = append(urls, h.LeaderURL)
		}
		if h.LeaderID == h.ID && h.Ready {
			led = true
		} else {
			silent = append(silent, fmt.Errorf("%s: master %s of cluster %s does not lead", url, h.ID, h.ClusterID))
		}
		if row.ClusterID != "" && row.ClusterID != h.ClusterID {
			return row, nil, misconfigured(fmt.Errorf("the masters to join belong to two clusters, %s and %s (at %s); name masters of one", row.ClusterID, h.ClusterID, url))
		}
		if disk := h.Founders[me.ID]; disk != "" && disk != me.DiskID {
			return row, nil, n.wiped(h.ClusterID)
		}
		row.ClusterID, row.Since = h.ClusterID, max(row.Since, h.AppliedIndex)
	}
	if !led {
		return joiningRow{}, silent, nil
	}
	if len(strays) > 0 {
		n.logger.Warn("some addresses to join at are no masters' APIs; name only those", "urls", strays)
	}
	return row, nil, nil
}

// sawConfiguration looks at a committed configuration for the sign that this
// disk was taken in: it is a non-voter, in an entry that is newer than its first
// request. A disk that was wiped sees itself as a voter, or as a non-voter in old
// entries only.
func (n *Node) sawConfiguration(index uint64, c raft.Configuration) {
	id := n.identity.get()
	if id.Joining == nil || id.Voted || index <= id.Joining.Since {
		return
	}
	s, member := server(c, id.ID)
	switch {
	case !member:
	case s.Suffrage != raft.Voter:
		n.takenIn(id.Joining.ClusterID)
	case id.Joined:
		if err := n.identity.update(func(i *identity) { i.Voted = true }); err != nil {
			n.fail(err)
		}
	}
}

// takenIn records that this disk belongs to the cluster; from now on it votes,
// once Raft's configuration gives it a vote.
func (n *Node) takenIn(cluster string) {
	if n.identity.get().Joined {
		return
	}
	if err := n.identity.update(func(i *identity) { i.Joined, i.ClusterID = true, cluster }); err != nil {
		n.fail(err)
		return
	}
	n.gate.votes.Store(true)
	n.logger.Info("taken into the cluster", "cluster", cluster)
}

// comeIn asks to be taken in, if this node joins, and then keeps its entry in
// the registry right, until ctx ends.
func (n *Node) comeIn(ctx context.Context, r *raft.Raft) {
	_, moved := n.moved(r)
	if len(n.cfg.Join) > 0 && !moved && !n.leftOut(r) && !isVoter(r.GetConfiguration().Configuration(), n.cfg.ID) {
		if err := n.askToJoin(ctx); err != nil {
			n.fail(err)
			return
		}
	}
	n.announce(ctx, r)
}

// askToJoin asks the listed masters in turn until one takes this node in. It
// returns an error for a refusal that asking again does not change.
func (n *Node) askToJoin(ctx context.Context) error {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		url := n.cfg.Join[attempt%len(n.cfg.Join)]
		cluster, err := n.askOne(ctx, url, n.self())
		if err == nil {
			return n.accepted(cluster)
		}
		if final(err) {
			return misconfigured(fmt.Errorf("join at %s: %w", url, err))
		}
		if attempt%10 == 0 {
			n.logger.Info("not taken in yet; asking again", "url", url, "reason", err)
			if err := n.nobodyToJoin(ctx); err != nil {
				return err
			}
		}
		wait.Sleep(ctx, backoff(attempt))
	}
	return nil
}

func (n *Node) askOne(ctx context.Context, url string, req task.JoinRequest) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.JoinTimeout+askExtra)
	defer cancel()
	return n.cfg.Peers.Join(ctx, url, req)
}

func (n *Node) accepted(cluster string) error {
	id := n.identity.get()
	if want := id.ClusterID; want != "" && cluster != want {
		return fmt.Errorf("cluster %s took this master in, but its disk belongs to cluster %s", cluster, want)
	}
	if id.Joining != nil && cluster != id.Joining.ClusterID {
		return fmt.Errorf("cluster %s took this master in, but it asked cluster %s", cluster, id.Joining.ClusterID)
	}
	n.takenIn(cluster)
	return nil
}

// self is what this node says of itself when it asks to be taken in.
func (n *Node) self() task.JoinRequest {
	return task.JoinRequest{ID: n.cfg.ID, RaftAddress: n.cfg.RaftAdvertise, APIURL: n.cfg.APIURL, Commands: uint32(fsm.HighestNumber)}
}

// final reports whether a refusal stands however often one asks.
func final(err error) bool {
	var refusal *task.Error
	if !errors.As(err, &refusal) {
		return false
	}
	switch refusal.Code {
	case task.CodeIDTaken, task.CodeAddressTaken, task.CodeWrongCluster, task.CodeInvalidRequest:
		return true
	default:
		return false
	}
}

// announce gets this node's entry of the registry, and its address in Raft's
// configuration, corrected by the leader, by asking to join again: that is
// idempotent. So founders get their entries, an upgraded master tells which
// commands it knows, and one that moved where it is now. One that was removed is
// not taken in by that: it says so, and waits for people.
func (n *Node) announce(ctx context.Context, r *raft.Raft) {
	if n.cfg.Peers == nil {
		return
	}
	told, said := false, ""
	for wait.Sleep(ctx, announceEvery) {
		out := n.removed(r)
		if out != nil && !told {
			n.logger.Warn("this master serves nobody", "reason", out)
		}
		told = out != nil
		err := n.correct(ctx, r)
		if err == nil || ctx.Err() != nil {
			said = ""
			continue
		}
		if err.Error() != said {
			n.logger.Info("the leader did not take this master's addresses", "reason", err)
		}
		said = err.Error()
		if final(err) {
			wait.Sleep(ctx, announceBackoff)
		}
	}
}

// correct asks the leader, if there is something to correct.
func (n *Node) correct(ctx context.Context, r *raft.Raft) error {
	if from, yes := n.moved(r); yes {
		if err := n.askToMove(ctx, r); err != nil {
			return fmt.Errorf("this master has moved from %s to %s: %w", from, n.cfg.RaftAdvertise, err)
		}
		return nil
	}
	// Before it is ready its registry is of the past. And for a moment a leader
	// sends heartbeats also to one that it has just removed.
	if ready := n.Ready() == nil; !ready || n.IsLeader() || n.registered() {
		return nil
	}
	_, url := n.Leader()
	if url == "" {
		return nil
	}
	_, err := n.askOne(ctx, url, n.self())
	return err
}

// registered reports whether the registry's entry for this node is as it should be.
func (n *Node) registered() bool {
	return sameEntry(n.View().Masters(), n.self())
}

func sameEntry(registry []task.Master, want task.JoinRequest) bool {
	for _, m := range registry {
		if m.ID == want.ID {
			return m.RaftAddress == want.RaftAddress && m.APIURL == want.APIURL && m.Commands == want.Commands
		}
	}
	return false
}
