package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"

	"muster/fsm"
	"muster/task"
)

// step is what the log shows of a join, in this order.
type step int

const (
	noStep     step = iota
	registered      // the registry's entry
	nonvoter        // a member without a vote
	confirmed       // the registry's entry again, after that
	voter           // a member with a vote
)

// stepOf returns which step of a master's join an entry is. The registry's
// entry is written twice; which of the two it is, the caller knows.
func stepOf(l *raft.Log, id string) step {
	switch l.Type {
	case raft.LogConfiguration:
		s, ok := server(raft.DecodeConfiguration(l.Data), id)
		switch {
		case !ok:
			return noStep
		case s.Suffrage == raft.Voter:
			return voter
		default:
			return nonvoter
		}
	case raft.LogCommand:
		e, err := fsm.Decode(l.Data)
		if err != nil {
			return noStep
		}
		for _, p := range e.Proposals {
			if c, ok := p.Command.(fsm.PutMaster); ok && c.ID == id {
				return registered
			}
		}
	default:
	}
	return noStep
}

// watchedLog shows each entry before it is stored and afterwards. An error is
// returned to Raft, for an entry that is stored or not.
type watchedLog struct {
	raft.LogStore
	see func(l *raft.Log, stored bool) error
}

func (s watchedLog) StoreLogs(logs []*raft.Log) error {
	for _, l := range logs {
		if err := s.see(l, false); err != nil {
			return err
		}
	}
	if err := s.LogStore.StoreLogs(logs); err != nil {
		return err
	}
	for _, l := range logs {
		if err := s.see(l, true); err != nil {
			return err
		}
	}
	return nil
}

// joinBench is three masters that lead a fourth in, and what happens at one
// moment of that: when the leader is about to store a step's entry, or has stored
// it and sent it to nobody.
type joinBench struct {
	w      *world
	all    []*master
	joiner *master
	at     step
	stored bool
	do     func(leader *master) error // at the moment, in Raft's goroutine
	fired  chan *master
}

func newJoinBench(w *world, at step, stored bool) *joinBench {
	b := &joinBench{w: w, all: w.trio(), at: at, stored: stored, fired: make(chan *master, 1)}
	var once atomic.Bool
	for _, m := range b.all {
		var puts atomic.Int32
		see := func(l *raft.Log, stored bool) error {
			is := stepOf(l, "m4")
			if is == registered && !stored && puts.Add(1) > 1 || is == registered && stored && puts.Load() > 1 {
				is = confirmed
			}
			if is == voter && b.joiner.node.Hello().ClusterID == "" {
				w.t.Errorf("%s stores that m4 votes, and m4 does not know that it was taken in", m.id)
			}
			if is == noStep || is != b.at || stored != b.stored || !m.node.IsLeader() {
				return nil
			}
			if once.Swap(true) {
				return nil
			}
			b.fired <- m
			return b.do(m)
		}
		m.adjust = func(c *Config) {
			c.WrapLogStore = func(s raft.LogStore) raft.LogStore { return watchedLog{s, see} }
		}
		m.start(founders(b.all...))
	}
	w.ready(b.all...)
	leader := w.leader(b.all...)
	w.eventually("three in the registry", func() bool { return len(leader.node.View().Masters()) == 3 })
	b.joiner = w.master("m4")
	return b
}

// crash ends a master from within its Raft.
func crash(m *master) error {
	m.w.gone(m)
	m.node.fail(errKilled)
	return errKilled
}

// TestALeaderThatDiesInTheMiddleOfAJoin: the joiner asks again, and is taken in.
func TestALeaderThatDiesInTheMiddleOfAJoin(t *testing.T) {
	for at, name := range map[step]string{registered: "registered", nonvoter: "non-voter", confirmed: "confirmed", voter: "voter"} {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s stored %v", name, stored), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, false)
					b := newJoinBench(w, at, stored)
					b.do = crash
					b.joiner.start(joining(b.all...))
					dead := <-b.fired
					<-dead.done
					rest := others(b.all, dead)
					w.votes(w.leader(rest...), "m4")
					four := append(rest, b.joiner) //nolint:gocritic // a list of its own
					w.leader(four...).put("without the dead one")
					dead.start(nil)
					four = append(four, dead)
					w.ready(four...)
					b.whole(four...)
					w.leader(four...).kill() // three of four are enough
					w.leader(alive(four)...).put("without another one")
				})
			})
		}
	}
}

// TestALeaderThatDiesBeforeItsAnswerToAJoin: the joiner votes, and nobody told it.
func TestALeaderThatDiesBeforeItsAnswerToAJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		b := newJoinBench(w, noStep, false)
		leader := w.leader(b.all...)
		b.joiner.start(func(c *Config) {
			joining(b.all...)(c)
			c.Peers = answerLost{c.Peers.(peers), leader, new(atomic.Bool)}
		})
		<-leader.done
		four := append(others(b.all, leader), b.joiner)
		w.leader(four...).put("x")
		leader.start(nil)
		w.ready(append(four, leader)...)
		b.whole(append(four, leader)...)
	})
}

// TestALeaderAndAJoinerThatDie in the middle of a join leave no voter that is
// dead, and nothing in the registry.
func TestALeaderAndAJoinerThatDie(t *testing.T) {
	for _, at := range []step{registered, nonvoter, confirmed} {
		for _, stored := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				b := newJoinBench(w, at, stored)
				b.do = func(leader *master) error {
					_ = crash(b.joiner)
					return crash(leader)
				}
				b.joiner.start(joining(b.all...))
				dead := <-b.fired
				<-dead.done
				rest := others(b.all, dead)
				leader := w.leader(rest...)
				leader.put("without them")
				dead.start(nil)
				w.ready(b.all...)
				w.level(b.all...)
				for _, m := range b.all {
					if isVoter(m.node.raft.Load().GetConfiguration().Configuration(), "m4") {
						t.Errorf("%v %v: %s has the dead joiner as a voter", at, stored, m.id)
					}
				}
				if err := w.leader(b.all...).node.RemoveMaster(t.Context(), "m4"); err != nil && codeOf(err) != task.CodeMasterNotFound {
					t.Errorf("%v %v: %v", at, stored, err)
				}
				w.level(b.all...)
				for _, m := range b.all {
					if _, member := server(m.node.raft.Load().GetConfiguration().Configuration(), "m4"); member || len(m.node.View().Masters()) != 3 {
						t.Errorf("%v %v: %s knows %+v", at, stored, m.id, m.node.View().Masters())
					}
				}
			})
		}
	}
}

// TestAJoinerThatDiesIsTakenOutAgain, at every step before it votes.
func TestAJoinerThatDiesIsTakenOutAgain(t *testing.T) {
	for _, at := range []step{registered, nonvoter, confirmed} {
		for _, stored := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				b := newJoinBench(w, at, stored)
				b.do = func(*master) error {
					_ = crash(b.joiner)
					return nil
				}
				leader := w.leader(b.all...)
				before := leader.membership()
				b.joiner.start(joining(b.all...))
				<-b.fired
				<-b.joiner.done
				w.eventually("the join is over", func() bool {
					done, err := leader.node.changeMembership()
					if err == nil {
						done()
					}
					return err == nil
				})
				w.level(b.all...)
				for _, m := range b.all {
					if after := m.membership(); after != before {
						t.Errorf("%v %v: %s has\n%s\nand had\n%s", at, stored, m.id, after, before)
					}
				}
				leader.put("x")
			})
		}
	}
}

// whole fails unless all are voters, in Raft and in the registry, on each of them.
func (b *joinBench) whole(all ...*master) {
	b.w.t.Helper()
	b.w.eventually("all are voters and in the registry", func() bool {
		for _, m := range all {
			masters := m.node.Masters()
			if len(masters) != len(all) || len(m.node.View().Masters()) != len(all) {
				return false
			}
			for _, x := range masters {
				if !x.Voter || x.APIURL == "" {
					return false
				}
			}
		}
		return true
	})
	b.w.level(all...)
}

// alive returns those of the masters that run.
func alive(of []*master) []*master {
	var run []*master
	for _, m := range of {
		select {
		case <-m.done:
		default:
			run = append(run, m)
		}
	}
	return run
}

// answerLost ends the leader when it answers that the master was taken in, once.
type answerLost struct {
	peers
	leader *master
	lost   *atomic.Bool
}

func (p answerLost) Join(ctx context.Context, url string, req task.JoinRequest) (string, error) {
	cluster, err := p.peers.Join(ctx, url, req)
	if err != nil || p.lost.Swap(true) {
		return cluster, err
	}
	p.leader.kill()
	return "", errors.New("the connection broke")
}
