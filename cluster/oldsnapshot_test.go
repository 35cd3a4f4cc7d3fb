package cluster

import (
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
)

// TestAnOldSnapshotChangesNothing: one that was long on its way, and comes when
// this master has applied more. hashicorp/raft would go back to it, and then look
// for entries that the log does not have any more.
func TestAnOldSnapshotChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		for _, m := range all {
			m.adjust = func(c *Config) { c.TrailingLogs = 1 }
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		follower := others(all, leader)[0]
		snapshot := func() raft.SnapshotFuture {
			for range 10 {
				leader.put("")
			}
			w.level(all...)
			f := follower.node.raft.Load().Snapshot()
			if err := f.Error(); err != nil {
				t.Fatal(err)
			}
			return f
		}
		old := snapshot()
		snapshot()
		index := follower.node.AppliedIndex()

		meta, data, err := old.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		request := &raft.InstallSnapshotRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(leader.id), Addr: []byte(leader.raftAddr)},
			Term:      leader.node.Term(), SnapshotVersion: meta.Version, LastLogIndex: meta.Index, LastLogTerm: meta.Term,
			Configuration: raft.EncodeConfiguration(meta.Configuration), ConfigurationIndex: meta.ConfigurationIndex, Size: meta.Size,
		}
		answer := &raft.InstallSnapshotResponse{}
		w.mu.Lock()
		transport := w.inmem[raft.ServerAddress(leader.raftAddr)]
		w.mu.Unlock()
		if err := transport.InstallSnapshot(raft.ServerID(follower.id), raft.ServerAddress(follower.raftAddr), request, answer, data); err != nil {
			t.Fatal(err)
		}
		if !answer.Success {
			t.Error("the follower refused what it has; its leader would send it again for ever")
		}
		if now := follower.node.AppliedIndex(); now < index {
			t.Errorf("the follower went back from index %d to %d", index, now)
		}
		leader.put("after")
		w.level(all...)
	})
}
