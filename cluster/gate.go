package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// maxTermJump is how far above ours a message's term may be. Terms only rise and
// are stored, so one that is absurd could never be taken back. No real cluster
// holds four billion elections.
const maxTermJump = 1 << 32

var (
	errNotMember = errors.New("this master does not belong to a cluster yet")
	errNoVote    = errors.New("this master was not taken into the cluster yet, so it does not vote")
)

// gate stands between Raft and its transport, because hashicorp/raft
//
//   - grants its vote to anyone while its configuration is empty, and votes with
//     whatever part of the log it has: a master that lost its disk could help to
//     elect a leader that lacks committed entries. So nothing passes until Raft
//     runs as a member, and no vote, in either direction, until this disk was
//     taken into the cluster;
//   - believes any term (maxTermJump);
//   - does not tell a master that was removed while it was away (removed.go);
//   - does not ask whether a snapshot that was long on its way is older than what
//     it has applied, and the state must never go back; see prefix.go for how a
//     leader comes to send one;
//   - does not tell how far the leader's commit index is ahead of a follower's
//     log, nor when it has learnt it, which Node.Ready wants to know.
type gate struct {
	Transport // the real one; what gate does not override passes untouched

	out chan raft.RPC // to Raft
	wg  sync.WaitGroup

	open   atomic.Bool // Raft runs
	votes  atomic.Bool // this disk belongs to the cluster
	raft   atomic.Pointer[behind]
	commit atomic.Uint64 // highest commit index that a leader told
	target atomic.Uint64 // see aim; 0 while nothing is known

	standing standing // whether this master is a member

	closing sync.Once
	stop    context.CancelFunc
}

// newGate starts the gate, closed.
func newGate(t Transport) *gate {
	ctx, cancel := context.WithCancel(context.Background())
	g := &gate{Transport: t, out: make(chan raft.RPC), stop: cancel}
	g.wg.Go(func() { g.forward(ctx) })
	return g
}

// behind is what the gate looks at of the Raft behind it.
type behind struct {
	progress
	logs raft.LogStore
}

// progress is how far Raft is.
type progress interface {
	CurrentTerm() uint64
	AppliedIndex() uint64
	State() raft.RaftState
}

// letIn opens the gate for Raft, which has this log.
func (g *gate) letIn(r progress, logs raft.LogStore) {
	g.raft.Store(&behind{r, logs})
	g.open.Store(true)
}

// Consumer returns what Raft reads.
func (g *gate) Consumer() <-chan raft.RPC { return g.out }

// forward passes messages on until ctx ends.
func (g *gate) forward(ctx context.Context) {
	in := g.Transport.Consumer()
	for {
		select {
		case <-ctx.Done():
			return
		case rpc := <-in:
			if !g.admit(rpc) {
				continue
			}
			switch m := rpc.Command.(type) {
			case *raft.AppendEntriesRequest:
				rpc.Command = g.withoutApplied(m)
			case *raft.TimeoutNowRequest:
				_ = g.giveUpElection(ctx) // it fails when ctx ends
			}
			select {
			case g.out <- rpc:
			case <-ctx.Done():
				return
			}
		}
	}
}

// SetHeartbeatHandler lets heartbeats pass Raft's queue; they are checked too.
func (g *gate) SetHeartbeatHandler(handle func(raft.RPC)) {
	g.Transport.SetHeartbeatHandler(func(rpc raft.RPC) {
		if g.admit(rpc) {
			handle(rpc)
		}
	})
}

// admit checks a message, and answers it if it may not pass. An answer has the
// type that the sender expects, also where it is a refusal.
func (g *gate) admit(rpc raft.RPC) bool {
	switch m := rpc.Command.(type) {
	case *raft.AppendEntriesRequest:
		if err := g.check(m.Term); err != nil {
			rpc.Respond(&raft.AppendEntriesResponse{}, err)
			return false
		}
		raise(&g.commit, m.LeaderCommitIndex)
		g.aim(m)
		g.standing.led()
	case *raft.InstallSnapshotRequest:
		if err := g.check(m.Term); err != nil {
			g.wg.Go(func() { answerSnapshot(rpc, &raft.InstallSnapshotResponse{}, err) })
			return false
		}
		if r := g.raft.Load(); m.Term >= r.CurrentTerm() && m.LastLogIndex <= r.AppliedIndex() {
			have := &raft.InstallSnapshotResponse{Term: m.Term, Success: true} // and more
			g.wg.Go(func() { answerSnapshot(rpc, have, nil) })
			return false
		}
	case *raft.RequestVoteRequest:
		if err := g.checkVote(m.Term); err != nil {
			rpc.Respond(&raft.RequestVoteResponse{}, err)
			return false
		}
	case *raft.RequestPreVoteRequest:
		if err := cmp.Or(g.checkVote(m.Term), g.standing.judge(m.ID)); err != nil {
			rpc.Respond(&raft.RequestPreVoteResponse{}, err)
			return false
		}
	case *raft.TimeoutNowRequest:
		if err := g.checkVote(0); err != nil {
			rpc.Respond(&raft.TimeoutNowResponse{}, err)
			return false
		}
	}
	return true
}

// aim takes the first commit index that is told after this start as the target that
// a master has to reach to be caught up. A leader that was just elected may tell an
// index that is older than what its predecessors acknowledged, until an entry of its
// own term is committed.
func (g *gate) aim(m *raft.AppendEntriesRequest) {
	if m.LeaderCommitIndex == 0 || g.target.Load() > 0 || m.Term < g.raft.Load().CurrentTerm() {
		return
	}
	if g.termAt(m.LeaderCommitIndex, m) == m.Term {
		g.target.Store(m.LeaderCommitIndex)
	}
}

// termAt returns the term of an entry, from a message or from the log; 0 if it is
// not known. An entry of the message's term can only be the sender's.
func (g *gate) termAt(index uint64, m *raft.AppendEntriesRequest) uint64 {
	switch {
	case index == m.PrevLogEntry:
		return m.PrevLogTerm
	case index < m.PrevLogEntry && m.PrevLogTerm < m.Term:
		return 0 // an older one
	}
	for _, e := range m.Entries {
		if e.Index == index {
			return e.Term
		}
	}
	var l raft.Log
	if g.raft.Load().logs.GetLog(index, &l) != nil {
		return 0
	}
	return l.Term
}

// standForElection has Raft stand for election at once, as a leader that hands over has
// it. It returns when Raft has begun to.
func (g *gate) standForElection(ctx context.Context) error {
	return g.tell(ctx, &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}})
}

// giveUpElection has Raft give up an election that it stands for, if it does: until its
// time-out ends, a candidate does not begin anew. It tells Raft of a term that is newer, as
// another candidate would whose log is empty, and who gets no vote by that.
func (g *gate) giveUpElection(ctx context.Context) error {
	r := g.raft.Load()
	if r == nil || r.State() != raft.Candidate {
		return nil
	}
	return g.tell(ctx, &raft.RequestVoteRequest{
		RPCHeader:          raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax},
		Term:               r.CurrentTerm() + 1,
		LeadershipTransfer: true, // also if it follows somebody
	})
}

// tell gives Raft a message from this master itself, and returns when it was taken in.
func (g *gate) tell(ctx context.Context, message any) error {
	answer := make(chan raft.RPCResponse, 1)
	select {
	case g.out <- raft.RPC{Command: message, RespChan: answer}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case a := <-answer:
		return a.Error
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *gate) check(term uint64) error {
	if !g.open.Load() {
		return errNotMember
	}
	if ours := g.raft.Load().CurrentTerm(); term > ours && term-ours > maxTermJump {
		return fmt.Errorf("term %d is too far above this master's, %d", term, ours)
	}
	return nil
}

func (g *gate) checkVote(term uint64) error {
	if !g.votes.Load() {
		return errNoVote
	}
	return g.check(term)
}

// answerSnapshot reads the snapshot that follows the message before it answers:
// the transport would take the rest for the next message.
func answerSnapshot(rpc raft.RPC, answer *raft.InstallSnapshotResponse, err error) {
	if rpc.Reader != nil {
		_, _ = io.Copy(io.Discard, rpc.Reader) // the sender gave up if this fails
	}
	rpc.Respond(answer, err)
}

// RequestVote asks another master for its vote, if this one may stand.
func (g *gate) RequestVote(id raft.ServerID, to raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if !g.votes.Load() {
		return errNoVote
	}
	return g.Transport.RequestVote(id, to, req, resp)
}

// RequestPreVote asks whether another master would vote for this one.
func (g *gate) RequestPreVote(id raft.ServerID, to raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if !g.votes.Load() {
		return errNoVote
	}
	err := g.Transport.RequestPreVote(id, to, req, resp)
	g.standing.heard(err)
	return err
}

// Close closes the transport and waits for the gate's goroutines.
func (g *gate) Close() error {
	var err error
	g.closing.Do(func() {
		g.stop()
		err = g.Transport.Close()
		g.wg.Wait()
	})
	return err
}

// raise sets an atomic to the higher of its value and v.
func raise(a *atomic.Uint64, v uint64) {
	for {
		old := a.Load()
		if old >= v || a.CompareAndSwap(old, v) {
			return
		}
	}
}
