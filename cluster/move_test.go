package cluster

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"

	"muster/task"
)

// founded returns three masters that formed a cluster, all with the same task.
func (w *world) founded() (all []*master, leader *master) {
	w.t.Helper()
	all = w.trio()
	for _, m := range all {
		m.start(founders(all...))
	}
	w.ready(all...)
	leader = w.leader(all...)
	leader.put("before")
	w.level(all...)
	return all, leader
}

// moveTo gives a master that is down other addresses.
func (m *master) moveTo(raftAddr, url string) { m.raftAddr, m.url = raftAddr, url }

// noted waits until all masters have each other's present addresses, in Raft's
// configuration and in the registry.
func (w *world) noted(all ...*master) {
	w.t.Helper()
	w.eventually("all addresses are noted", func() bool {
		for _, at := range all {
			c := at.node.raft.Load().GetConfiguration().Configuration()
			for _, m := range all {
				s, ok := server(c, m.id)
				if !ok || s.Suffrage != raft.Voter || s.Address != raft.ServerAddress(m.raftAddr) || at.node.apiURL(m.id) != m.url {
					return false
				}
			}
		}
		return true
	})
}

// TestAMasterThatMovedIsNotedWhereItIs, with its vote, its log and its id.
func TestAMasterThatMovedIsNotedWhereItIs(t *testing.T) {
	for name, which := range map[string]func(leader *master, all []*master) *master{
		"a follower": func(leader *master, all []*master) *master { return others(all, leader)[0] },
		"the leader": func(leader *master, _ []*master) *master { return leader },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				all, leader := w.founded()
				m := which(leader, all)
				m.kill()
				m.moveTo(m.id+":2", "http://"+m.id+".new")
				m.start(nil)
				w.ready(m)
				w.noted(all...)
				others(all, m)[0].kill() // the one that moved is half of the majority
				up := []*master{m, others(all, m)[1]}
				w.leader(up...).put("after")
				w.level(up...)
			})
		})
	}
}

// TestAMasterAloneNotesThatItMoved: others that join must find it.
func TestAMasterAloneNotesThatItMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2 := w.alone("m1"), w.master("m2")
		m1.kill()
		m1.moveTo("m1:2", "http://m1.new")
		m1.start(bootstrap)
		w.leader(m1)
		w.noted(m1)
		m2.start(joining(m1))
		w.votes(m1, "m2")
		w.noted(m1, m2)
	})
}

// TestOneMasterIsAwayAndAnotherMoves: the one that moved can call the rest, and they
// can't call it. It has to lead, or nobody can.
func TestOneMasterIsAwayAndAnotherMoves(t *testing.T) {
	w := newWorld(t, true)
	all, leader := w.founded()
	away, moves := leader, others(all, leader)[0]
	away.kill()
	moves.kill()
	moves.moveTo(w.master("spare").raftAddr, "http://moved")
	moves.start(nil)
	rest := others(others(all, away), moves)[0]
	w.ready(moves, rest)
	w.noted(moves, rest)
	w.leader(moves, rest).put("after")
}

// TestAllMastersMoveAtOnce: the list that they are started with says where to, also if
// they had joined each other.
func TestAllMastersMoveAtOnce(t *testing.T) {
	for name, began := range map[string]func(w *world) []*master{
		"founded by a list": func(w *world) []*master { all, _ := w.founded(); return all },
		"joined": func(w *world) []*master {
			all := w.grown()
			w.ready(all...)
			all[0].put("before")
			w.level(all...)
			return all
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			all := began(w)
			for _, m := range all {
				m.kill()
				m.moveTo(w.master("spare-of-"+m.id).raftAddr, "http://"+m.id+".new")
			}
			for _, m := range all {
				m.start(founders(all...))
			}
			w.ready(all...)
			w.noted(all...)
			w.leader(all...).put("after")
			// Now the new addresses are everywhere, and no list is needed.
			for _, m := range all {
				m.kill()
				m.start(nil)
			}
			w.ready(all...)
			w.leader(all...).put("at last")
		})
	}
}

// TestAllMastersChangePlaces: each gets the address of the next, as by DHCP. Nobody
// is taken for another, and with the list the cluster works.
func TestAllMastersChangePlaces(t *testing.T) {
	w := newWorld(t, true)
	all, _ := w.founded()
	first := *all[0]
	for i, m := range all {
		m.kill()
		if next := i + 1; next < len(all) {
			m.moveTo(all[next].raftAddr, all[next].url)
		} else {
			m.moveTo(first.raftAddr, first.url)
		}
	}
	for _, m := range all {
		m.start(founders(all...))
	}
	w.ready(all...)
	w.leader(all...).put("after")
	w.level(all...)
}

// claims answers for URLs in the place of who is there, and for all who are hailed.
type claims struct {
	Peers
	Transport

	now *atomic.Pointer[claim]
}

type claim struct {
	hellos map[string]Hello
	hail   error
}

func (c claims) hail(context.Context, string, string) (welcome, error) {
	return welcome{}, c.now.Load().hail
}

func (c claims) Hello(ctx context.Context, url string) (Hello, error) {
	if h, ok := c.now.Load().hellos[url]; ok {
		if h.ID == "" {
			return h, errors.New("nobody")
		}
		return h, nil
	}
	return c.Peers.Hello(ctx, url)
}

func TestAMoveThatCannotBeChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		var now atomic.Pointer[claim]
		now.Store(&claim{})
		m1 := w.master("m1")
		m1.adjust = func(c *Config) {
			all := claims{c.Peers, c.Transport, &now}
			c.Peers, c.Transport = all, all
		}
		m1.start(bootstrap)
		w.leader(m1)
		m2, m3 := w.master("m2"), w.master("m3")
		for _, m := range []*master{m2, m3} {
			m.start(joining(m1))
			w.votes(m1, m.id)
		}
		w.eventually("the joins are over", func() bool { return len(m1.node.membership) == 0 })
		at := func(m *master, raftAddr, url string) Hello {
			return Hello{ID: m.id, ClusterID: m1.node.identity.get().ClusterID, RaftAddress: raftAddr, APIURL: url}
		}
		move := task.JoinRequest{ID: "m3", RaftAddress: "m3:2", APIURL: "http://m3.new", Commands: m1.node.self().Commands, Replace: true}
		here := at(m3, move.RaftAddress, move.APIURL)
		for name, c := range map[string]struct {
			change func(r *task.JoinRequest)
			hellos map[string]Hello
			hail   error
			code   task.Code
		}{
			"a copy runs at the old place": {hellos: map[string]Hello{move.APIURL: here}, code: task.CodeIDTaken},
			"an older one runs there":      {hellos: map[string]Hello{move.APIURL: here, m3.url: at(m3, "", "")}, code: task.CodeIDTaken},
			"another's Raft address":       {change: func(r *task.JoinRequest) { r.RaftAddress = m2.raftAddr }, hellos: map[string]Hello{move.APIURL: here}, code: task.CodeAddressTaken},
			"another's API URL":            {change: func(r *task.JoinRequest) { r.APIURL = m2.url }, hellos: map[string]Hello{m2.url: here}, code: task.CodeAddressTaken},
			"nobody at the Raft address":   {hellos: map[string]Hello{move.APIURL: here, m3.url: {}}, hail: errors.New("refused"), code: task.CodeMasterUnreachable},
		} {
			req := move
			if c.change != nil {
				c.change(&req)
			}
			now.Store(&claim{c.hellos, c.hail})
			m1.unchanged(name, func() {
				if err := m1.node.Join(t.Context(), req); codeOf(err) != c.code {
					t.Errorf("%s: %v; want %s", name, err, c.code)
				}
			})
		}
	})
}

// TestALeaderIsLostInTheMiddleOfAMove: the one that moved is no member then, and asks
// the next leader.
func TestALeaderIsLostInTheMiddleOfAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := []*master{w.master("m1"), w.master("m2"), w.master("m3"), w.master("m4"), w.master("m5")}
		for _, m := range all {
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		moves := others(all, leader)[0]
		moves.kill()
		err := leader.node.change(t.Context(), func() raft.Future {
			return leader.node.raft.Load().RemoveServer(raft.ServerID(moves.id), 0, beginTimeout)
		})
		if err != nil {
			t.Fatal(err)
		}
		leader.kill()
		moves.moveTo(moves.id+":2", "http://"+moves.id+".new")
		moves.start(nil)
		w.ready(moves)
		leader.start(nil)
		w.ready(all...)
		w.noted(all...)
	})
}

// TestAMasterMovesThatDoesNotKnowYetThatItVotes: it crashed before it got the entry.
func TestAMasterMovesThatDoesNotKnowYetThatItVotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2, m3 := w.alone("m1"), w.master("m2"), w.master("m3")
		m2.start(joining(m1))
		w.votes(m1, "m2")
		m3.start(joining(m1))
		w.eventually("m3 has caught up", func() bool {
			return m3.node.identity.get().Joined && m3.node.AppliedIndex() == m1.node.AppliedIndex()
		})
		w.cut(m3) // from Raft; it says how far it is, and gets its vote without noticing
		w.mu.Lock()
		w.byURL[m3.url] = m3
		w.mu.Unlock()
		w.votes(m1, "m3")
		if isVoter(m3.node.raft.Load().GetConfiguration().Configuration(), "m3") {
			t.Fatal("m3 noticed")
		}
		m3.kill()
		m3.moveTo("m3:2", "http://m3.new")
		m3.start(joining(m1))
		w.ready(m3)
		w.noted(m1, m2, m3)
	})
}

// TestAMasterThatIsReachedAtBothPlacesMoves: it listens on every address of its
// machine, and only what it is told to advertise has changed.
func TestAMasterThatIsReachedAtBothPlacesMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.grown()
		m1, m3 := all[0], all[2]
		m3.kill()
		old := m3.url
		m3.moveTo("m3:2", "http://m3.new")
		m3.start(nil)
		w.mu.Lock()
		w.byURL[old] = m3
		w.mu.Unlock()
		w.noted(m1, m3)
	})
}
