package cluster

import (
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
)

// ahead tells a story of a follower that has applied, and dropped from its log,
// what its leader believes that it lacks.
func ahead(t *testing.T, story func(w *world, all []*master, leader, follower *master, old raft.SnapshotFuture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		for _, m := range all {
			m.start(func(c *Config) {
				founders(all...)(c)
				if m.id == "m1" {
					c.TrailingLogs = 1
				}
			})
		}
		w.ready(all...)
		leader, follower := w.leader(all...), all[0]
		if leader == follower {
			if err := leader.node.TransferLeadership(t.Context(), "m2"); err != nil {
				t.Fatal(err)
			}
			leader = w.leader(all[1])
		}
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
		story(w, all, leader, follower, old)
		if now := follower.node.AppliedIndex(); now < index {
			t.Errorf("the follower went back from index %d to %d", index, now)
		}
		leader.put("after")
		w.level(all...)
	})
}

// intrude returns the transport of one master, and the header of its messages.
func (w *world) intrude(m *master) (*raft.InmemTransport, raft.RPCHeader) {
	w.mu.Lock()
	defer w.mu.Unlock()
	header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(m.id), Addr: []byte(m.raftAddr)}
	return w.inmem[raft.ServerAddress(m.raftAddr)], header
}

// TestAnOldSnapshotChangesNothing: hashicorp/raft would go back to it, and then
// look for entries that the log does not have any more.
func TestAnOldSnapshotChangesNothing(t *testing.T) {
	ahead(t, func(w *world, _ []*master, leader, follower *master, old raft.SnapshotFuture) {
		meta, data, err := old.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		transport, header := w.intrude(leader)
		request := &raft.InstallSnapshotRequest{
			RPCHeader: header,
			Term:      leader.node.Term(), SnapshotVersion: meta.Version, LastLogIndex: meta.Index, LastLogTerm: meta.Term,
			Configuration: raft.EncodeConfiguration(meta.Configuration), ConfigurationIndex: meta.ConfigurationIndex, Size: meta.Size,
		}
		answer := &raft.InstallSnapshotResponse{}
		if err := transport.InstallSnapshot(raft.ServerID(follower.id), raft.ServerAddress(follower.raftAddr), request, answer, data); err != nil {
			t.Fatal(err)
		}
		if !answer.Success {
			t.Error("the follower refused what it has; its leader would send it again for ever")
		}
	})
}

// TestEntriesThatAreAppliedAreAgreedTo, also when the log does not have them any
// more: some entries, all up to the last, and none.
func TestEntriesThatAreAppliedAreAgreedTo(t *testing.T) {
	ahead(t, func(w *world, _ []*master, leader, follower *master, _ raft.SnapshotFuture) {
		transport, header := w.intrude(leader)
		log := leader.node.store.Log
		last, err := log.LastIndex()
		if err != nil {
			t.Fatal(err)
		}
		previous := follower.node.raft.Load().AppliedIndex() - 5
		if err := follower.node.store.Log.GetLog(previous, new(raft.Log)); err == nil {
			t.Fatalf("entry %d is still there", previous)
		}
		for _, until := range []uint64{previous + 2, last, previous} {
			request := &raft.AppendEntriesRequest{
				RPCHeader: header, Term: leader.node.Term(), PrevLogEntry: previous, LeaderCommitIndex: last,
			}
			for i := previous; i <= until; i++ {
				entry := &raft.Log{}
				if err := log.GetLog(i, entry); err != nil {
					t.Fatal(err)
				}
				if i == previous {
					request.PrevLogTerm = entry.Term
				} else {
					request.Entries = append(request.Entries, entry)
				}
			}
			answer := &raft.AppendEntriesResponse{}
			if err := transport.AppendEntries(raft.ServerID(follower.id), raft.ServerAddress(follower.raftAddr), request, answer); err != nil || !answer.Success {
				t.Errorf("entries %d to %d: %+v, %v", previous+1, until, answer, err)
			}
			if request.PrevLogEntry != previous || len(request.Entries) != int(until-previous) {
				t.Error("the sender's message was changed")
			}
		}
	})
}
