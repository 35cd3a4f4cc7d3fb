package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/task"
)

// loop asks for one loop of a node.
func (m *master) loop(name string) Loop {
	m.w.t.Helper()
	for _, l := range m.node.Loops() {
		if l.Name == name {
			return l
		}
	}
	m.w.t.Fatalf("%s has no %s: %+v", m.id, name, m.node.Loops())
	return Loop{}
}

const (
	mainLoop  = "Raft's main loop"
	applyLoop = "the loop that applies the log"
)

// TestLoopsThatAnswerAreNotBusy on a leader, and on followers.
func TestLoopsThatAnswerAreNotBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		for _, m := range all {
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		w.eventually("all in the registry", func() bool { return len(leader.node.View().Masters()) == 3 })
		w.level(all...)
		term := leader.node.Term()
		for _, m := range all {
			before := m.loop(mainLoop)
			m.node.AskRaft()
			w.eventually("an answer of Raft", func() bool { return !m.loop(mainLoop).Busy })
			if m.loop(mainLoop).Turn == before.Turn {
				t.Errorf("%s: an answer is no turn", m.id)
			}
			if m.loop(applyLoop).Busy {
				t.Errorf("%s applies what is not there", m.id)
			}
		}
		before := leader.loop(applyLoop).Turn
		leader.put("a task")
		if leader.loop(applyLoop).Turn == before {
			t.Error("an entry that was applied is no turn")
		}
		if leader.node.Term() != term || !leader.node.IsLeader() {
			t.Error("the questions made the leader change")
		}
	})
}

// TestAMainLoopThatHangsIsSeen: nothing else of Raft need notice.
func TestAMainLoopThatHangsIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		for _, m := range all {
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		follower := others(all, leader)[0]
		observed := make(chan raft.Observation)
		follower.node.raft.Load().RegisterObserver(raft.NewObserver(observed, true, nil))
		leader.kill() // which the observer is told of, by the main loop
		time.Sleep(time.Minute)
		follower.node.AskRaft()
		follower.node.AskRaft() // one question is enough
		before := follower.loop(mainLoop)
		time.Sleep(time.Minute)
		if after := follower.loop(mainLoop); !before.Busy || after != before {
			t.Errorf("it looks as if it got on: %+v, then %+v", before, after)
		}
		over := make(chan struct{})
		go func() {
			for {
				select {
				case <-observed:
				case <-over:
					return
				}
			}
		}()
		w.eventually("an answer of Raft", func() bool { return !follower.loop(mainLoop).Busy })
		for _, m := range others(all, leader) {
			if err := m.halt(); err != nil {
				t.Error(err)
			}
		}
		close(over)
	})
}

// TestAnApplyThatHangsIsSeen: Raft's main loop goes on for a while.
func TestAnApplyThatHangsIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		hold := make(chan chan struct{}, 1)
		m.opened = func(n *Node) {
			stamped := n.replica.stamped
			n.replica.stamped = func(at task.Millis) {
				stamped(at)
				select {
				case release := <-hold:
					<-release
				default:
				}
			}
		}
		m.start(bootstrap)
		w.ready(m)
		release := make(chan struct{})
		hold <- release
		put := make(chan struct{})
		go func() {
			defer close(put)
			_, _ = m.node.Propose(t.Context(), submit("a task")) // it is never told
		}()
		w.eventually("an entry that is applied", func() bool { return m.loop(applyLoop).Busy })
		before := m.loop(applyLoop)
		time.Sleep(5 * time.Second)
		if after := m.loop(applyLoop); after != before {
			t.Errorf("it looks as if it got on: %+v, then %+v", before, after)
		}
		close(release)
		w.eventually("the entry to be applied", func() bool { return !m.loop(applyLoop).Busy })
		<-put
	})
}
