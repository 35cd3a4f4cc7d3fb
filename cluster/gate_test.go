package cluster

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// gateBench is a gate between two in-memory transports, with an echo behind it.
type gateBench struct {
	t      *testing.T
	gate   *gate
	sender *raft.InmemTransport
	passed chan any
}

func withGate(t *testing.T, do func(b *gateBench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		_, inner := raft.NewInmemTransport("gated")
		_, sender := raft.NewInmemTransport("sender")
		sender.Connect("gated", inner)
		inner.Connect("sender", sender)
		b := &gateBench{t: t, gate: newGate(memory{InmemTransport: inner}), sender: sender, passed: make(chan any, 100)}
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case rpc := <-b.gate.Consumer():
					b.passed <- rpc.Command
					switch rpc.Command.(type) {
					case *raft.AppendEntriesRequest:
						rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
					case *raft.RequestVoteRequest:
						rpc.Respond(&raft.RequestVoteResponse{Granted: true}, nil)
					case *raft.RequestPreVoteRequest:
						rpc.Respond(&raft.RequestPreVoteResponse{Granted: true}, nil)
					case *raft.InstallSnapshotRequest:
						rpc.Respond(&raft.InstallSnapshotResponse{Success: true}, nil)
					case *raft.TimeoutNowRequest:
						rpc.Respond(&raft.TimeoutNowResponse{}, nil)
					}
				case <-stop:
					return
				}
			}
		}()
		do(b)
		close(stop)
		if err := b.gate.Close(); err != nil {
			t.Error(err)
		}
	})
}

// at is how far the Raft behind a gate is.
type at struct{ term, applied uint64 }

func (a at) CurrentTerm() uint64  { return a.term }
func (a at) AppliedIndex() uint64 { return a.applied }
func (at) State() raft.RaftState  { return raft.Follower }

// passes sends one message of each kind and returns which of them passed.
func (b *gateBench) passes(term uint64) (appended, snapshot, vote, preVote, timeoutNow bool) {
	appended = b.sender.AppendEntries("g", "gated", &raft.AppendEntriesRequest{Term: term, LeaderCommitIndex: 42}, &raft.AppendEntriesResponse{}) == nil
	snapshot = b.sender.InstallSnapshot("g", "gated", &raft.InstallSnapshotRequest{Term: term, LastLogIndex: 1}, &raft.InstallSnapshotResponse{}, bytes.NewReader(nil)) == nil
	vote = b.sender.RequestVote("g", "gated", &raft.RequestVoteRequest{Term: term}, &raft.RequestVoteResponse{}) == nil
	preVote = b.sender.RequestPreVote("g", "gated", &raft.RequestPreVoteRequest{Term: term}, &raft.RequestPreVoteResponse{}) == nil
	timeoutNow = b.sender.TimeoutNow("g", "gated", &raft.TimeoutNowRequest{}, &raft.TimeoutNowResponse{}) == nil
	return
}

func TestNothingPassesTheGateBeforeRaftRuns(t *testing.T) {
	withGate(t, func(b *gateBench) {
		a, s, v, p, n := b.passes(1)
		if a || s || v || p || n || len(b.passed) > 0 {
			b.t.Errorf("passed: append %v, snapshot %v, vote %v, pre-vote %v, timeout-now %v", a, s, v, p, n)
		}
	})
}

func TestWhoWasNotTakenInGetsTheLogAndDoesNotVote(t *testing.T) {
	withGate(t, func(b *gateBench) {
		b.gate.letIn(at{term: 1}, raft.NewInmemStore())
		a, s, v, p, n := b.passes(1)
		if !a || !s || v || p || n {
			b.t.Errorf("passed: append %v, snapshot %v, vote %v, pre-vote %v, timeout-now %v", a, s, v, p, n)
		}
		err := b.gate.RequestVote("s", "sender", &raft.RequestVoteRequest{}, &raft.RequestVoteResponse{})
		if !errors.Is(err, errNoVote) {
			b.t.Errorf("asked for a vote: %v", err)
		}
		err = b.gate.RequestPreVote("s", "sender", &raft.RequestPreVoteRequest{}, &raft.RequestPreVoteResponse{})
		if !errors.Is(err, errNoVote) {
			b.t.Errorf("asked for a pre-vote: %v", err)
		}
	})
}

func TestAMemberGetsEverythingButAbsurdTerms(t *testing.T) {
	withGate(t, func(b *gateBench) {
		b.gate.votes.Store(true)
		b.gate.letIn(at{term: 5}, raft.NewInmemStore())
		a, s, v, p, n := b.passes(5 + maxTermJump)
		if !a || !s || !v || !p || !n {
			b.t.Errorf("passed: append %v, snapshot %v, vote %v, pre-vote %v, timeout-now %v", a, s, v, p, n)
		}
		if got := b.gate.commit.Load(); got != 42 {
			b.t.Errorf("the leader's commit index: %d; want 42", got)
		}
		for _, term := range []uint64{6 + maxTermJump, 7 + maxTermJump} {
			if a, s, v, p, _ := b.passes(term); a || s || v || p {
				b.t.Errorf("term %d passed: append %v, snapshot %v, vote %v, pre-vote %v", term, a, s, v, p)
			}
		}
	})
}

// TestASnapshotThatIsNotNewerDoesNotPass, and its sender hears that it is here.
func TestASnapshotThatIsNotNewerDoesNotPass(t *testing.T) {
	withGate(t, func(b *gateBench) {
		b.gate.letIn(at{term: 5, applied: 10}, raft.NewInmemStore())
		for _, c := range []struct {
			term, index uint64
			passes      bool
		}{{5, 9, false}, {5, 10, false}, {6, 10, false}, {5, 11, true}, {4, 9, true}} { // Raft refuses an older term
			answer := &raft.InstallSnapshotResponse{}
			request := &raft.InstallSnapshotRequest{Term: c.term, LastLogIndex: c.index, Size: 3}
			err := b.sender.InstallSnapshot("g", "gated", request, answer, bytes.NewReader([]byte("abc")))
			if passed := len(b.passed) > 0; err != nil || passed != c.passes || !answer.Success {
				b.t.Errorf("%+v: passed: %v, answer %+v, %v", c, passed, answer, err)
			}
			for len(b.passed) > 0 {
				<-b.passed
			}
		}
	})
}

// TestARefusalInAPipelineHasTheTypeOfAnAnswer, as its sender expects.
func TestARefusalInAPipelineHasTheTypeOfAnAnswer(t *testing.T) {
	withGate(t, func(b *gateBench) {
		pipeline, err := b.sender.AppendEntriesPipeline("g", "gated")
		if err != nil {
			b.t.Fatal(err)
		}
		future, err := pipeline.AppendEntries(&raft.AppendEntriesRequest{Term: 1}, &raft.AppendEntriesResponse{})
		if err != nil {
			b.t.Fatal(err)
		}
		if err := future.Error(); !errors.Is(err, errNotMember) {
			b.t.Errorf("got %v; want errNotMember", err)
		}
		if err := pipeline.Close(); err != nil {
			b.t.Error(err)
		}
		time.Sleep(time.Second)
	})
}
