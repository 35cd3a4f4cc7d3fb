package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/task"
)

// heartbeatsOnly lets nothing through to one master but heartbeats, while it is
// told to.
type heartbeatsOnly struct {
	Transport

	to *atomic.Value // raft.ServerAddress; "" for nobody
}

// AppendEntries sends a message. What is not a heartbeat tells of a log.
func (h heartbeatsOnly) AppendEntries(id raft.ServerID, to raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if to == h.to.Load() && req.PrevLogEntry+req.LeaderCommitIndex+uint64(len(req.Entries)) > 0 {
		return errors.New("lost on the way")
	}
	return h.Transport.AppendEntries(id, to, req, resp)
}

// AppendEntriesPipeline says that there is none, so that all goes through
// AppendEntries.
func (heartbeatsOnly) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// TestAMasterThatRestartedIsNotReadyBeforeItKnowsHowFarTheLeaderIs: after a restart
// Raft has applied nothing, and knows of nothing that is committed. Who restarts
// one master after the other and asks only whether each is ready would otherwise
// stop the next while this one has its whole log to read.
func TestAMasterThatRestartedIsNotReadyBeforeItKnowsHowFarTheLeaderIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		var to atomic.Value
		to.Store(raft.ServerAddress(""))
		for _, m := range all {
			m.adjust = func(c *Config) {
				c.Transport = heartbeatsOnly{c.Transport, &to}
			}
			m.start(founders(all...))
		}
		leader := w.leader(all...)
		w.ready(all...)
		leader.put("a")
		w.level(all...)

		late := others(all, leader)[0]
		if err := late.halt(); err != nil {
			t.Fatal(err)
		}
		to.Store(raft.ServerAddress(late.raftAddr))
		late.start(founders(all...))
		w.eventually("it knows the leader", func() bool { id, _ := late.node.Leader(); return id == leader.id })
		for range 200 {
			if err := late.node.Ready(); err == nil {
				t.Fatalf("it is ready, and has applied %d of %d", late.node.AppliedIndex(), leader.node.AppliedIndex())
			}
			time.Sleep(10 * time.Millisecond) // fake time
		}
		expectError(t, late.node.Ready(), "how far the log is")
		to.Store(raft.ServerAddress(""))
		w.ready(late)
		w.level(all...)
	})
}

// holdApply keeps the state machine of a master that is about to run from applying
// more than it is told to.
func holdApply(n *Node) (release func()) {
	open, stamped := make(chan struct{}), n.replica.stamped
	n.replica.stamped = func(at task.Millis) {
		<-open
		stamped(at)
	}
	return sync.OnceFunc(func() { close(open) })
}

// TestAMasterThatRestartedIsNotReadyBeforeItShowsWhatWasCommitted: Raft counts what it
// put into the state machine's queue as applied. Who asks whether a master is ready
// and then reads there would find that tasks are missing that were acknowledged.
func TestAMasterThatRestartedIsNotReadyBeforeItShowsWhatWasCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		for _, m := range all {
			m.start(founders(all...))
		}
		leader := w.leader(all...)
		w.ready(all...)
		late := others(all, leader)[0]
		if err := late.halt(); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			leader.put(fmt.Sprint(i))
		}
		var release func()
		late.opened = func(n *Node) { release = holdApply(n) }
		late.start(founders(all...))
		defer func() { release() }()
		w.eventually("raft has handed everything over", func() bool {
			r := late.node.raft.Load()
			return r != nil && r.AppliedIndex() >= leader.node.AppliedIndex()
		})
		for range 100 {
			if err := late.node.Ready(); err == nil {
				t.Fatalf("it is ready, and shows %d of %d", late.node.AppliedIndex(), leader.node.AppliedIndex())
			}
			if late.node.Hello().Ready {
				t.Fatal("it tells others that it is ready")
			}
			time.Sleep(10 * time.Millisecond) // fake time
		}
		expectError(t, late.node.Ready(), "has applied the log up to entry")
		release()
		w.ready(late)
		w.level(all...)
	})
}

// TestALeaderThatAppliesALongLogIsNotReadyAndStaysLeader: the others may have as much
// to apply, and each change of the leader costs an election.
func TestALeaderThatAppliesALongLogIsNotReadyAndStaysLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		m.start(bootstrap)
		w.ready(m)
		for i := range 20 {
			m.put(fmt.Sprint(i))
		}
		shown := m.node.AppliedIndex()
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		m.opened = func(n *Node) { // a few entries take longer than a barrier may
			stamped := n.replica.stamped
			n.replica.stamped = func(at task.Millis) {
				time.Sleep(barrierTimeout / 3) // fake time
				stamped(at)
			}
		}
		var log bytes.Buffer
		m.adjust = func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }
		m.start(bootstrap)
		w.eventually("it leads", m.node.IsLeader)
		for m.node.AppliedIndex() < shown {
			if m.node.Ready() == nil {
				t.Fatalf("it is ready, and shows %d of %d", m.node.AppliedIndex(), shown)
			}
			time.Sleep(time.Second) // fake time
		}
		time.Sleep(time.Minute) // its own entries are slow, too
		w.ready(m)
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "handing leadership away") {
			t.Errorf("leadership was given up:\n%s", &log)
		}
	})
}

// TestALeaderWhoseWorkFailsIsNotReady holds for every try in a term, not only the first.
func TestALeaderWhoseWorkFailsIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		var broken atomic.Bool
		failing, calls := make(chan struct{}), make(chan struct{}, 100)
		m.adjust = func(c *Config) {
			c.Lead = func(ctx context.Context, _ uint64) error {
				calls <- struct{}{}
				if broken.Load() {
					return errors.New("broken")
				}
				select {
				case <-failing:
					return errors.New("broken")
				case <-ctx.Done():
					return nil
				}
			}
		}
		m.start(bootstrap)
		w.ready(m)
		<-calls
		broken.Store(true)
		close(failing)
		<-calls // again, in the same term
		synctest.Wait()
		expectError(t, m.node.Ready(), "does not show everything yet")
	})
}

// TestAMasterIsReadyOnceItVotes: who waits until a new master is ready before the next
// one is stopped counts on its vote.
func TestAMasterIsReadyOnceItVotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2 := w.master("m1"), w.master("m2")
		m1.start(bootstrap)
		w.ready(m1)
		m2.start(joining(m1))
		votes := func() bool {
			r := m2.node.raft.Load()
			return r != nil && isVoter(r.GetConfiguration().Configuration(), "m2")
		}
		w.eventually("it votes", func() bool {
			if m2.node.Ready() == nil && !votes() {
				t.Fatal("it is ready without a vote")
			}
			return votes()
		})
		w.ready(m2)
	})
}

// TestTheTargetIsWhatALeaderToldOfItsOwnTerm: before that, what it tells may be older
// than what was acknowledged.
func TestTheTargetIsWhatALeaderToldOfItsOwnTerm(t *testing.T) {
	logs := raft.NewInmemStore()
	for i, term := range []uint64{1, 1, 2} {
		if err := logs.StoreLog(&raft.Log{Index: uint64(i + 1), Term: term}); err != nil {
			t.Fatal(err)
		}
	}
	for what, x := range map[string]struct {
		m    raft.AppendEntriesRequest
		want uint64
	}{
		"a heartbeat":             {raft.AppendEntriesRequest{Term: 2}, 0},
		"of an older term":        {raft.AppendEntriesRequest{Term: 2, PrevLogEntry: 3, PrevLogTerm: 2, LeaderCommitIndex: 2}, 0},
		"the entry before":        {raft.AppendEntriesRequest{Term: 2, PrevLogEntry: 3, PrevLogTerm: 2, LeaderCommitIndex: 3}, 3},
		"in the log":              {raft.AppendEntriesRequest{Term: 2, PrevLogEntry: 4, PrevLogTerm: 2, LeaderCommitIndex: 3}, 3},
		"in the message":          {raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 3, PrevLogTerm: 2, LeaderCommitIndex: 4, Entries: []*raft.Log{{Index: 4, Term: 3}}}, 4},
		"far ahead":               {raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 3, PrevLogTerm: 2, LeaderCommitIndex: 40}, 0},
		"of a leader of the past": {raft.AppendEntriesRequest{Term: 1, PrevLogEntry: 2, PrevLogTerm: 1, LeaderCommitIndex: 2}, 0},
	} {
		g := new(gate)
		g.letIn(at{term: 2}, logs)
		g.aim(&x.m)
		if got := g.target.Load(); got != x.want {
			t.Errorf("%s: the target is %d, want %d", what, got, x.want)
		}
	}
}
