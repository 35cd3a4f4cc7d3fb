package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

// grown starts a cluster whose masters joined one by one, m1 first.
func (w *world) grown() []*master {
	w.t.Helper()
	all := w.trio()
	all[0].start(bootstrap)
	w.leader(all[0])
	for _, m := range all[1:] {
		m.start(joining(all[0]))
		w.votes(all[0], m.id)
	}
	return all
}

// votes waits until a master has a vote, as another knows it.
func (w *world) votes(at *master, id string) {
	w.t.Helper()
	w.eventually(id+" votes", func() bool {
		return isVoter(at.node.raft.Load().GetConfiguration().Configuration(), id)
	})
}

// TestAWipedVoterOfAnIdleClusterIsNotFooled: nothing was committed since it was
// taken in, so the entry that did it is among the newest of the log.
func TestAWipedVoterOfAnIdleClusterIsNotFooled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.grown()
		m1, m2, m3 := all[0], all[1], all[2]
		w.level(all...)
		m3.kill()
		m3.wipe()
		m3.start(func(c *Config) {
			joining(m1)(c)
			c.Peers = unheard{c.Peers} // nobody refuses it, for now
		})
		w.eventually("m3 has the log", func() bool { return m3.node.AppliedIndex() == m1.node.AppliedIndex() })
		time.Sleep(5 * time.Second)
		if h := m3.node.Hello(); h.ClusterID != "" || m3.node.gate.votes.Load() {
			t.Errorf("it takes itself for a member: %+v", h)
		}
		w.cut(m1)
		time.Sleep(20 * time.Second)
		if m2.node.IsLeader() || m3.node.IsLeader() {
			t.Error("the wiped m3 helped to elect a leader")
		}
		w.heal(m1)
		w.leader(m1, m2).put("y")
	})
}

// TestAWipedJoinerIsNotFooledByAMasterThatIsFarBehind: the only master that it
// was told of has not even heard of the entry that took it in the first time.
func TestAWipedJoinerIsNotFooledByAMasterThatIsFarBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := append(w.grown(), w.master("m4"), w.master("m5"))
		m1, m2, m4 := all[0], all[1], all[3]
		w.level(all[:3]...)
		w.cut(m2)                       // from now on it is behind
		time.Sleep(4 * LAN().Heartbeat) // until it knows no leader
		for _, m := range all[3:] {
			m.start(joining(m1))
			w.votes(m1, m.id)
		}
		m1.put("x")
		w.level(others(all, m2)...)
		m4.kill()
		m4.wipe()
		w.mu.Lock()
		w.byURL[m2.url] = m2 // its API answers again
		w.mu.Unlock()
		m4.start(joining(m2))
		time.Sleep(20 * time.Second)
		if h := m4.node.Hello(); h.ClusterID != "" || m4.node.gate.votes.Load() || m4.node.identity.get().Joining != nil {
			t.Errorf("it believed m2: %+v", h)
		}
		w.heal(m2) // now it knows who leads, and what for
		expectError(t, m4.ends(), "id_taken", "has an empty disk", "join with a new id")
		w.leader(others(all, m4)...).put("y")
	})
}

// TestAWipedFounderDoesNotHelpToElect: one founder is gone, one lacks what was
// acknowledged, and the one that had it comes back with an empty disk and the same
// list. Together they would be a majority that has lost it.
func TestAWipedFounderDoesNotHelpToElect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		behind, wiped := others(all, leader)[0], others(all, leader)[1]
		w.level(all...)
		w.cut(behind)
		id := leader.put("acknowledged")
		w.level(leader, wiped)
		leader.kill()
		wiped.kill()
		wiped.wipe()
		w.heal(behind)
		wiped.start(founders(all...))
		time.Sleep(20 * time.Second)
		if behind.node.IsLeader() || wiped.node.IsLeader() {
			t.Error("a leader was elected that lacks what was acknowledged")
		}
		expectError(t, wiped.ends(), wiped.id, "empty or another one", "muster masters remove "+wiped.id, "new id")
		if wiped.node.raft.Load() != nil {
			t.Error("raft ran on the wiped disk")
		}
		leader.start(founders(all...))
		next := w.leader(leader, behind)
		next.put("y")
		w.level(leader, behind)
		if _, ok := behind.node.View().Task(id); !ok {
			t.Error("the acknowledged task is gone")
		}
	})
}
