package cluster

import (
	"testing"
	"testing/synctest"

	"muster/task"
)

// TestReplaceTakesTheAddressOfADeadMaster for a master with a new id. Without
// replace it is refused, and a replacement that can't work changes nothing.
func TestReplaceTakesTheAddressOfADeadMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.grown()
		m1, m2, m3 := all[0], all[1], all[2]
		m3.kill()
		m4 := w.master("m4")
		m4.raftAddr = m3.raftAddr
		refused := m4.request()
		refused.Replace = true
		m1.unchanged("a replacement that nobody answers", func() {
			if err := m1.node.Join(t.Context(), refused); codeOf(err) != task.CodeMasterUnreachable {
				t.Errorf("got %v; want master_unreachable", err)
			}
		})
		m4.start(joining(m1))
		expectError(t, m4.ends(), "address_taken", m3.raftAddr, "belongs to master m3", "join with replace")

		m4.wipe()
		m4.startReplacing(m1)
		w.votes(m1, "m4")
		w.level(m1, m2, m4)
		if _, member := server(m1.node.raft.Load().GetConfiguration().Configuration(), "m3"); member || len(m1.node.View().Masters()) != 3 {
			t.Errorf("m3 is still there: %+v", m1.node.View().Masters())
		}
		m2.kill() // two of three are enough
		w.leader(m1, m4).put("x")
	})
}

// TestReplaceGuardsTheQuorum: taking out the one that is in the way would leave
// no majority.
func TestReplaceGuardsTheQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.grown()
		m1, m2, m3 := all[0], all[1], all[2]
		m4 := w.master("m4")
		m4.adjust = func(c *Config) { c.Peers = unheard{c.Peers} }
		m4.start(joining(m1))
		w.eventually("m4 may ask", func() bool { return m4.node.identity.get().Joining != nil })
		m2.kill()
		req := m4.request()
		req.RaftAddress, req.Replace = m3.raftAddr, true
		m1.unchanged("the replacement of m3", func() {
			if err := m1.node.Join(t.Context(), req); codeOf(err) != task.CodeQuorumAtRisk {
				t.Errorf("got %v; want quorum_at_risk", err)
			}
		})
	})
}
