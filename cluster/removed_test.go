package cluster

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/task"
)

// TestARemovedMasterThatComesBackDisturbsNobody, whatever it knows of its
// removal and however it is started: no election, no new term, no way back in by
// itself. It says what has happened and what to do.
func TestARemovedMasterThatComesBackDisturbsNobody(t *testing.T) {
	for name, c := range map[string]struct {
		away, back func(w *world, m *master)
		joiner     bool // it had joined; otherwise it is a founder
	}{
		"it was down, and starts as it was started": {
			func(_ *world, m *master) { m.kill() },
			func(w *world, m *master) { m.start(founders(w.masters["m1"], w.masters["m2"], w.masters["m3"])) }, false,
		},
		"it was down, and starts with masters to join": {
			func(_ *world, m *master) { m.kill() },
			func(w *world, m *master) {
				m.start(joining(others([]*master{w.masters["m1"], w.masters["m2"], w.masters["m3"]}, m)...))
			}, false,
		},
		"it was cut off": {
			func(w *world, m *master) { w.cut(m) },
			func(w *world, m *master) { w.heal(m) }, false,
		},
		"it ran, and is started again": {
			func(*world, *master) {},
			func(_ *world, m *master) { m.kill(); m.start(nil) }, false,
		},
		"it had joined, was down, and is started to join": {
			func(_ *world, m *master) { m.kill() },
			func(w *world, m *master) { m.start(joining(w.masters["m1"])) }, true,
		},
		"it had joined, ran, and is started to join": {
			func(*world, *master) {},
			func(w *world, m *master) { m.kill(); m.start(joining(w.masters["m1"])) }, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				grow := w.formed
				if c.joiner {
					grow = w.grown
				}
				all := grow()
				w.level(all...)
				leader := w.leader(all...)
				out := others(all, leader)[1]
				stay := others(all, out)
				c.away(w, out)
				time.Sleep(2 * time.Second)
				leader = w.leader(stay...)
				if err := leader.node.RemoveMaster(t.Context(), out.id); err != nil {
					t.Fatal(err)
				}
				w.level(stay...)
				before, term := leader.membership(), leader.node.Term()
				c.back(w, out)
				var says error
				w.eventually("the removed one says so", func() bool {
					says = out.node.Ready()
					return says != nil && strings.Contains(says.Error(), "was removed")
				}, &says)
				for range 60 {
					time.Sleep(time.Second)
					leader.put("")
				}
				expectError(t, out.node.Ready(), out.id, "was removed from its cluster", out.dir, "empty directory", "new id")
				if !leader.node.IsLeader() || leader.node.Term() != term {
					t.Errorf("the term was %d and is %d; still the leader: %v", term, leader.node.Term(), leader.node.IsLeader())
				}
				for _, m := range stay {
					if after := m.membership(); after != before {
						t.Errorf("%s has\n%s\nand had\n%s", m.id, after, before)
					}
				}
				if _, err := out.node.Propose(t.Context(), submit("x")); codeOf(err) != task.CodeNoLeader {
					t.Errorf("the removed one: %v; want no_leader", err)
				}
			})
		})
	}
}

// TestHeartbeatsDoNotBringARemovedMasterBack: the leader sends them to the one
// that it has removed until it gives up what it was sending. The removed one
// comes back meanwhile, knows a leader, and finds itself in no registry.
func TestHeartbeatsDoNotBringARemovedMasterBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		out := others(all, leader)[0]
		out.kill()
		if err := leader.node.RemoveMaster(t.Context(), out.id); err != nil {
			t.Fatal(err)
		}
		before := leader.membership()
		out.start(joining(others(all, out)...))
		transport, header := w.intrude(leader)
		heard := 0
		for range 100 {
			beat := &raft.AppendEntriesRequest{RPCHeader: header, Term: leader.node.Term()}
			answer := &raft.AppendEntriesResponse{}
			err := transport.AppendEntries(raft.ServerID(out.id), raft.ServerAddress(out.raftAddr), beat, answer)
			if err == nil && answer.Success {
				heard++
			}
			time.Sleep(50 * time.Millisecond)
		}
		if heard < 90 { // the first few come before it runs
			t.Errorf("it took %d heartbeats of 100", heard)
		}
		if after := leader.membership(); after != before {
			t.Errorf("the members are\n%s\nand were\n%s", after, before)
		}
		w.eventually("the removed one says so", func() bool {
			err := out.node.Ready()
			return err != nil && strings.Contains(err.Error(), "was removed")
		})
	})
}

// TestARemovedMasterJoinsAgainOnAnEmptyDisk, with a new id, or with its own if it
// was no founder.
func TestARemovedMasterJoinsAgainOnAnEmptyDisk(t *testing.T) {
	for _, again := range []string{"m3", "m4"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, false)
			all := w.grown()
			m1, m2, m3 := all[0], all[1], all[2]
			m3.kill()
			if err := m1.node.RemoveMaster(t.Context(), "m3"); err != nil {
				t.Fatal(err)
			}
			m1.put("while it was away")
			fresh := m3
			if again == m3.id {
				m3.wipe()
			} else {
				fresh = w.master(again)
			}
			fresh.start(joining(m2))
			w.votes(m1, again)
			w.ready(m1, m2, fresh)
			w.level(m1, m2, fresh)
			m1.kill()
			w.leader(m2, fresh).put("it votes") // with its vote only
			fresh.kill()                        // and it remembers it
			fresh.start(nil)
			w.leader(m2, fresh).put("it votes after a restart")
		})
	}
}

// TestARemovedFounderDoesNotComeBackUnderItsID: the founders' disks are known for
// ever, so that a wiped one is never taken for new.
func TestARemovedFounderDoesNotComeBackUnderItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		out := others(all, leader)[0]
		out.kill()
		if err := leader.node.RemoveMaster(t.Context(), out.id); err != nil {
			t.Fatal(err)
		}
		out.wipe()
		out.start(joining(leader))
		expectError(t, out.ends(), out.id, "empty or another one", "new id")
	})
}

// TestTheQuorumIsGuarded: with two of five masters dead, taking out one that is
// alive would leave two of four. Nothing changes; the dead ones can be taken out.
func TestTheQuorumIsGuarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := append(w.trio(), w.master("m4"), w.master("m5"))
		for _, m := range all {
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		w.eventually("five in the registry", func() bool { return len(leader.node.View().Masters()) == 5 })
		rest := others(all, leader)
		rest[0].kill()
		w.cut(rest[1])
		time.Sleep(5 * time.Second)
		for _, id := range []string{leader.id, rest[2].id, rest[3].id} {
			leader.unchanged("the removal of "+id, func() {
				if err := leader.node.RemoveMaster(t.Context(), id); codeOf(err) != task.CodeQuorumAtRisk {
					t.Errorf("%s: %v; want quorum_at_risk", id, err)
				}
			})
		}
		if !leader.node.IsLeader() {
			t.Error("the refused removal of the leader cost it its leadership")
		}
		for i, dead := range rest[:2] {
			if err := leader.node.RemoveMaster(t.Context(), dead.id); err != nil {
				t.Errorf("%s: %v", dead.id, err)
			}
			if _, member := server(leader.node.raft.Load().GetConfiguration().Configuration(), dead.id); member || len(leader.node.View().Masters()) != 4-i {
				t.Errorf("after the removal of %s: %+v", dead.id, leader.node.View().Masters())
			}
		}
		rest[2].kill() // two of three are enough
		leader.put("x")
	})
}

// TestARemovedLeaderIsGone: removed in two steps, it leaves nothing behind, and
// the new leader has all that was acknowledged.
func TestARemovedLeaderIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		old := w.leader(all...)
		id := old.put("x")
		if err := old.node.RemoveMaster(t.Context(), old.id); codeOf(err) != task.CodeNotLeader {
			t.Fatalf("got %v; want not_leader", err)
		}
		if leader, url := old.node.Leader(); leader == old.id || url == "" {
			t.Errorf("it names %q at %q as the next leader", leader, url)
		}
		stay := others(all, old)
		next := w.leader(stay...)
		if err := next.node.RemoveMaster(t.Context(), old.id); err != nil {
			t.Fatal(err)
		}
		w.level(stay...)
		for _, m := range stay {
			voters := fmt.Sprint(len(m.node.raft.Load().GetConfiguration().Configuration().Servers), len(m.node.View().Masters()))
			if voters != "2 2" {
				t.Errorf("%s counts %s members and registry entries", m.id, voters)
			}
			if _, ok := m.node.View().Task(id); !ok {
				t.Errorf("%s lost task %d", m.id, id)
			}
		}
		time.Sleep(time.Minute)
		if old.node.IsLeader() || old.node.raft.Load().State() == raft.Candidate {
			t.Error("the removed one wants to lead")
		}
		next.put("y")
	})
}
