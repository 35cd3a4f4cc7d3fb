package cluster

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/commit"
	"muster/fsm"
	"muster/task"
)

const (
	// changeTimeout bounds one change of Raft's configuration, and beginTimeout
	// the wait until Raft begins it. The second is shorter: a change that nobody
	// waits for any more has either not begun, or shows in the configuration.
	changeTimeout = 5 * time.Second
	beginTimeout  = 3 * time.Second
)

// changeMembership takes the one right to change who is a member.
func (n *Node) changeMembership() (done func(), err error) {
	select {
	case n.membership <- struct{}{}:
		return func() { <-n.membership }, nil
	default:
		return nil, task.Refuse(task.CodeMembershipBusy, "another change of the membership is under way; try again when it is done")
	}
}

// leading returns Raft if this node is the leader.
func (n *Node) leading() (*raft.Raft, error) {
	r := n.raft.Load()
	if r == nil || r.State() != raft.Leader {
		return nil, commit.NotLeaderError(n.otherLeaderURL())
	}
	return r, nil
}

// change makes one change of Raft's configuration and waits until it is
// committed. Once it has begun it is waited for although its caller is gone:
// what is done or taken back next depends on it.
func (n *Node) change(ctx context.Context, start func() raft.Future) error {
	if ctx.Err() != nil {
		return task.Refuse(task.CodeOverloaded, "the request ended before the membership was changed; try again")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), changeTimeout)
	defer cancel()
	return commit.Refusal(n.futures.Await(ctx, start), n.otherLeaderURL())
}

func server(c raft.Configuration, id string) (raft.Server, bool) {
	for _, s := range c.Servers {
		if s.ID == raft.ServerID(id) {
			return s, true
		}
	}
	return raft.Server{}, false
}

func isVoter(c raft.Configuration, id string) bool {
	s, ok := server(c, id)
	return ok && s.Suffrage == raft.Voter
}

func putMaster(r task.JoinRequest) fsm.Command {
	return fsm.PutMaster{ID: r.ID, RaftAddress: r.RaftAddress, APIURL: r.APIURL, Commands: r.Commands}
}

// answer is a voter that is alive.
type answer struct {
	server raft.Server
	hello  Hello
}

// askVoters asks all other voters who they are and returns those that answered
// as members of this cluster.
func (n *Node) askVoters(ctx context.Context, r *raft.Raft) []answer {
	var mu sync.Mutex
	var answers []answer
	var wg sync.WaitGroup
	own := n.identity.get().ClusterID
	for _, s := range r.GetConfiguration().Configuration().Servers {
		url := n.apiURL(string(s.ID))
		if s.ID == raft.ServerID(n.cfg.ID) || s.Suffrage != raft.Voter || url == "" {
			continue
		}
		wg.Go(func() {
			h, err := n.hello(ctx, url)
			if err != nil || h.ID != string(s.ID) || h.ClusterID != own {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			answers = append(answers, answer{s, h})
		})
	}
	wg.Wait()
	return answers
}

// guardQuorum refuses to take a voter out if those that stay and answer would
// not be a majority: the change could then never be committed, or the next
// failure would stop the cluster for good.
func (n *Node) guardQuorum(ctx context.Context, r *raft.Raft, leaving string) error {
	c := r.GetConfiguration().Configuration()
	if !isVoter(c, leaving) {
		return nil
	}
	answers := map[raft.ServerID]bool{raft.ServerID(n.cfg.ID): true}
	for _, a := range n.askVoters(ctx, r) {
		answers[a.server.ID] = true
	}
	staying, reachable := 0, 0
	for _, s := range c.Servers {
		if s.Suffrage != raft.Voter || s.ID == raft.ServerID(leaving) {
			continue
		}
		staying++
		if answers[s.ID] || n.isUp(ctx, s) {
			reachable++
		}
	}
	if staying == 0 {
		return task.Refuse(task.CodeQuorumAtRisk, "master "+leaving+" is the only one that votes; it can't be taken out")
	}
	if reachable < staying/2+1 {
		return task.Refuse(task.CodeQuorumAtRisk, "without master "+leaving+" the masters that answer would not be a majority of those that stay; bring another one back first")
	}
	return nil
}

// isUp reports whether a master can be reached by Raft, although its API did not answer
// where the registry has it: it may have moved.
func (n *Node) isUp(ctx context.Context, s raft.Server) bool {
	for _, at := range []string{string(s.Address), n.elsewhere(string(s.ID), string(s.Address))} {
		if at == "" {
			continue
		}
		if _, err := n.hail(ctx, string(s.ID), at); err == nil {
			return true
		}
	}
	return false
}
