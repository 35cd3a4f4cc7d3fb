package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/task"
)

// alone starts a cluster of one.
func (w *world) alone(id string) *master {
	w.t.Helper()
	m := w.master(id)
	m.start(bootstrap)
	w.leader(m)
	return m
}

func (m *master) request() task.JoinRequest {
	return task.JoinRequest{ID: m.id, RaftAddress: m.raftAddr, APIURL: m.url, Commands: 1}
}

// unchanged fails if a refused join left a trace.
func (m *master) unchanged(what string, change func()) {
	m.w.t.Helper()
	before := m.membership()
	change()
	if after := m.membership(); after != before {
		m.w.t.Errorf("%s changed the membership:\n%s\n%s", what, before, after)
	}
	if _, err := m.node.Propose(context.Background(), submit("")); err != nil {
		m.w.t.Errorf("after %s: %v", what, err)
	}
}

func TestMastersJoinOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2, m3 := w.alone("m1"), w.master("m2"), w.master("m3")
		m1.put("before")
		m2.start(joining(m1))
		w.ready(m2)
		w.eventually("m2 votes", func() bool { return isVoter(m1.node.raft.Load().GetConfiguration().Configuration(), "m2") })
		m3.start(joining(m2)) // a follower leads to the leader
		w.eventually("m3 votes", func() bool { return isVoter(m1.node.raft.Load().GetConfiguration().Configuration(), "m3") })
		all := []*master{m1, m2, m3}
		w.level(all...)
		for _, m := range all {
			if h := m.node.Hello(); h.ClusterID != m1.node.Hello().ClusterID {
				t.Errorf("%s belongs to %q", m.id, h.ClusterID)
			}
			for _, x := range m.node.Masters() {
				if !x.Voter || x.APIURL == "" || x.Commands == 0 {
					t.Errorf("%s lists %+v", m.id, x)
				}
			}
		}
		m1.kill()
		leader := w.leader(m2, m3)
		leader.put("after")
		if err := leader.node.Join(t.Context(), m3.request()); err != nil && leader != m3 {
			t.Errorf("joining again: %v", err)
		}
		m1.start(bootstrap) // the flag that it was started with
		w.ready(m1)
		w.level(all...)
	})
}

func TestAJoinThatCannotWorkChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1 := w.alone("m1")
		m2 := w.master("m2")
		m2.start(joining(m1))
		w.eventually("m2 votes", func() bool { return isVoter(m1.node.raft.Load().GetConfiguration().Configuration(), "m2") })
		stranger := newWorld(t, false).alone("stranger")
		w.byURL[stranger.url] = stranger
		ok := task.JoinRequest{ID: "m9", RaftAddress: "m2:9", APIURL: "http://m9"}
		for name, c := range map[string]struct {
			change func(r *task.JoinRequest)
			code   task.Code
		}{
			"nobody listens":       {func(*task.JoinRequest) {}, task.CodeMasterUnreachable},
			"no API":               {func(r *task.JoinRequest) { r.RaftAddress = "m1:2" }, task.CodeMasterUnreachable},
			"another answers":      {func(r *task.JoinRequest) { r.RaftAddress, r.APIURL = "m1:2", "http://stranger" }, task.CodeMasterUnreachable},
			"of another cluster":   {func(r *task.JoinRequest) { r.ID, r.RaftAddress, r.APIURL = "stranger", "m1:2", "http://stranger" }, task.CodeWrongCluster},
			"id elsewhere":         {func(r *task.JoinRequest) { r.ID = "m2" }, task.CodeIDTaken},
			"the leader's id":      {func(r *task.JoinRequest) { r.ID, r.Replace = "m1", true }, task.CodeIDTaken},
			"address of another":   {func(r *task.JoinRequest) { r.RaftAddress = "m2:1" }, task.CodeAddressTaken},
			"API of another":       {func(r *task.JoinRequest) { r.APIURL = "http://m2" }, task.CodeAddressTaken},
			"the leader's address": {func(r *task.JoinRequest) { r.RaftAddress, r.Replace = "m1:1", true }, task.CodeIDTaken},
			"no id":                {func(r *task.JoinRequest) { r.ID = "" }, task.CodeInvalidRequest},
			"no port":              {func(r *task.JoinRequest) { r.RaftAddress = "m9" }, task.CodeInvalidRequest},
			"no URL":               {func(r *task.JoinRequest) { r.APIURL = "m9:80" }, task.CodeInvalidRequest},
		} {
			m1.node.cfg.Transport = hailed{m1.node.cfg.Transport, func(addr string) error {
				if addr == "m2:9" && c.code == task.CodeMasterUnreachable {
					return errors.New("refused")
				}
				return nil
			}}
			req := ok
			c.change(&req)
			w.level(m1, m2)
			m1.unchanged(name, func() {
				written, _ := m1.node.store.Log.LastIndex()
				if err := m1.node.Join(t.Context(), req); codeOf(err) != c.code {
					t.Errorf("%s: %v; want %s", name, err, c.code)
				}
				if now, _ := m1.node.store.Log.LastIndex(); now != written {
					t.Errorf("%s: it was found out after %d entries of the log", name, now-written)
				}
			})
		}
		if err := m2.node.Join(t.Context(), ok); codeOf(err) != task.CodeNotLeader {
			t.Errorf("at a follower: %v", err)
		}
	})
}

// TestAVoterThatRaftCannotReach shows what the order of Join is there to avoid.
func TestAVoterThatRaftCannotReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1 := w.alone("m1")
		r := m1.node.raft.Load()
		if err := r.AddVoter("m9", "nowhere:1", 0, time.Second).Error(); err == nil {
			w.eventually("m1 steps down", func() bool { return !m1.node.IsLeader() })
			return // as of v1.7.3: no error, and no majority any more
		}
		t.Error("raft refuses an unreachable voter now; Join could be simpler")
	})
}

// mutePeers asks nobody to be taken in, while it is told to.
type mutePeers struct {
	peers
	mute *atomic.Bool
}

func (p mutePeers) Join(ctx context.Context, url string, req task.JoinRequest) (string, error) {
	if p.mute.Load() {
		return "", errors.New("not now")
	}
	return p.peers.Join(ctx, url, req)
}

func TestAJoinerThatGetsNoLogIsTakenOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2 := w.alone("m1"), w.master("m2")
		var mute atomic.Bool
		mute.Store(true) // it is the test that asks
		m2.start(func(c *Config) {
			joining(m1)(c)
			c.Peers = mutePeers{peers{w}, &mute}
		})
		w.mu.Lock()
		w.inmem["m1:1"].Disconnect("m2:1") // its API answers, Raft's messages don't arrive
		w.mu.Unlock()
		m1.unchanged("the join", func() {
			if err := m1.node.Join(t.Context(), m2.request()); codeOf(err) != task.CodeNotCaughtUp && codeOf(err) != task.CodeMembershipBusy {
				t.Errorf("got %v; want not_caught_up", err)
			}
			time.Sleep(10 * time.Second)
			w.eventually("no change under way", func() bool {
				done, err := m1.node.changeMembership()
				if err == nil {
					defer done()
				}
				return err == nil && len(m1.node.Masters()) == 1
			})
		})
		w.mu.Lock()
		w.inmem["m1:1"].Connect("m2:1", w.inmem["m2:1"])
		w.mu.Unlock()
		mute.Store(false)
		w.ready(m2)
		w.eventually("m2 votes", func() bool { return isVoter(m1.node.raft.Load().GetConfiguration().Configuration(), "m2") })
	})
}

func TestOneChangeOfTheMembershipAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1 := w.alone("m1")
		done, err := m1.node.changeMembership()
		if err != nil {
			t.Fatal(err)
		}
		if err := m1.node.Join(t.Context(), task.JoinRequest{ID: "m2", RaftAddress: "m2:1", APIURL: "http://m2"}); codeOf(err) != task.CodeMembershipBusy {
			t.Errorf("join: %v", err)
		}
		if err := m1.node.RemoveMaster(t.Context(), "m2"); codeOf(err) != task.CodeMembershipBusy {
			t.Errorf("remove: %v", err)
		}
		done()
		if err := m1.node.RemoveMaster(t.Context(), "m2"); codeOf(err) != task.CodeMasterNotFound {
			t.Errorf("remove: %v", err)
		}
	})
}

// TestAWipedVoterThatJoinsAgainDoesNotVote: by the same id and address, it gets
// the log, as Raft believes it to be a voter; but it helps to elect nobody.
func TestAWipedVoterThatJoinsAgainDoesNotVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2, m3 := w.alone("m1"), w.master("m2"), w.master("m3")
		for _, m := range []*master{m2, m3} {
			m.start(joining(m1))
			w.eventually(m.id+" votes", func() bool { return isVoter(m1.node.raft.Load().GetConfiguration().Configuration(), m.id) })
		}
		m1.put("x")
		m3.kill()
		m3.wipe()
		w.cut(m1) // so that the wiped one is not refused at once
		w.mu.Lock()
		w.byURL[m1.url] = m1
		w.mu.Unlock()
		m3.start(joining(m1))
		time.Sleep(20 * time.Second)
		if m2.node.IsLeader() {
			t.Error("m2 was elected by the wiped m3")
		}
		w.heal(m1)
		err := m3.ends()
		if codeOf(err) != task.CodeIDTaken {
			t.Errorf("m3: %v; want id_taken", err)
		}
		w.leader(m1, m2).put("y")

		// The way back that the refusal names.
		leader := w.leader(m1, m2)
		if err := leader.node.RemoveMaster(t.Context(), "m3"); err != nil {
			t.Fatal(err)
		}
		m4 := w.master("m4")
		m4.start(joining(leader))
		w.ready(m4)
		w.level(leader, m4)
	})
}

// TestAWipedVoterIsNotFooledByItsOwnHistory: it gets the log, with the old entry
// that once took it in.
func TestAWipedVoterIsNotFooledByItsOwnHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2, m3 := w.alone("m1"), w.master("m2"), w.master("m3")
		for _, m := range []*master{m2, m3} {
			m.start(joining(m1))
			w.eventually(m.id+" votes", func() bool { return isVoter(m1.node.raft.Load().GetConfiguration().Configuration(), m.id) })
		}
		m1.put("x")
		w.level(m1, m2, m3)
		m3.kill()
		m3.wipe()
		m3.start(func(c *Config) {
			joining(m1)(c)
			c.Peers = unheard{c.Peers} // nobody refuses it, for now
		})
		w.level(m1, m2, m3)
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

// hailed answers for those who are hailed.
type hailed struct {
	Transport

	answer func(address string) error
}

func (h hailed) hail(_ context.Context, _, address string) (welcome, error) {
	return welcome{}, h.answer(address)
}

// unheard loses requests to join.
type unheard struct{ Peers }

func (unheard) Join(context.Context, string, task.JoinRequest) (string, error) {
	return "", errors.New("no answer")
}

func TestReplaceTakesAWipedMasterBackUnderItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2, m3 := w.alone("m1"), w.master("m2"), w.master("m3")
		for _, m := range []*master{m2, m3} {
			m.start(joining(m1))
			w.eventually(m.id+" votes", func() bool { return isVoter(m1.node.raft.Load().GetConfiguration().Configuration(), m.id) })
		}
		m3.kill()
		m3.wipe()
		m3.raftAddr = "m3:2"
		m3.adjust = nil
		w.masters["m3"] = m3
		m3.startReplacing(m1)
		w.ready(m3)
		w.eventually("m3 votes", func() bool {
			s, ok := server(m1.node.raft.Load().GetConfiguration().Configuration(), "m3")
			return ok && s.Suffrage == raft.Voter && s.Address == "m3:2"
		})
		w.level(m1, m2, m3)
	})
}

// startReplacing starts a joiner whose requests say replace.
func (m *master) startReplacing(at *master) {
	m.start(func(c *Config) {
		joining(at)(c)
		c.Peers = replacing{c.Peers}
	})
}

type replacing struct{ Peers }

func (p replacing) Join(ctx context.Context, url string, req task.JoinRequest) (string, error) {
	req.Replace = true
	return p.Peers.Join(ctx, url, req)
}

func TestAJoinerThatCrashesGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2 := w.alone("m1"), w.master("m2")
		for range 5 {
			m2.start(joining(m1))
			time.Sleep(60 * time.Millisecond)
			m2.kill()
			time.Sleep(time.Second)
		}
		m2.start(joining(m1))
		w.ready(m2)
		m1.put("x")
	})
}

func TestAJoinerGetsASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m1, m2 := w.master("m1"), w.master("m2")
		m1.adjust = func(c *Config) {
			c.SnapshotThreshold, c.TrailingLogs = 50, 10
		}
		m1.start(bootstrap)
		w.leader(m1)
		for i := range 200 {
			m1.put(fmt.Sprint(i))
		}
		w.eventually("the log is shortened", func() bool {
			first, err := m1.node.store.Log.FirstIndex()
			return err == nil && first > 100
		})
		m2.start(joining(m1))
		_, follower := m2.node.NewWriter()
		defer follower.Close()
		w.ready(m2)
		if _, overflowed := follower.Committed(); !overflowed {
			t.Error("m2 got no snapshot, or its follower was not told")
		}
		w.level(m1, m2)
		if first, err := m2.node.store.Log.FirstIndex(); err != nil || first < 100 {
			t.Errorf("m2's log begins at %d (%v)", first, err)
		}
	})
}
