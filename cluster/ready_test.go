package cluster

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
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
