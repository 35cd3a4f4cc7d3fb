package promises_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestAFollowerThatWasSilentIsToldAgain: a leader that keeps on leading while a
// follower is silent for longer than a message of Raft may take tells it
// everything when it is back. (With pipelines, hashicorp/raft may wait for ever
// for a slot in one that nobody reads, while its heartbeats go on.)
func TestAFollowerThatWasSilentIsToldAgain(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		leader := w.leader()
		term := w.status(leader).Term
		for i := range 8 {
			follower := w.followers(leader)[i%2]
			follower.alone()
			for range 40 {
				w.client.put(w.client.sleeping(0))
				w.sleep(100 * time.Millisecond)
			}
			w.net.PassAll()
			index := w.status(leader).AppliedIndex
			w.await(fmt.Sprintf("%s to apply index %d", follower.id, index), func(context.Context) error {
				if at := w.status(follower).AppliedIndex; at < index {
					return fmt.Errorf("it is at %d", at)
				}
				return nil
			})
		}
		if s := w.status(leader); s.Term != term {
			t.Errorf("the term is %d, was %d: the story is about one leader", s.Term, term)
		}
	})
}

// TestALeaderVanishesWhileItSendsASnapshot: the follower that waits for the rest
// of it must not wait for ever, as it is needed to elect another.
func TestALeaderVanishesWhileItSendsASnapshot(t *testing.T) {
	log := newJournal(t)
	with(t, options{questionTTL: time.Second, snapshots: 50, logs: log}, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 8)
		leader := w.leader()
		away, other := w.followers(leader)[0], w.followers(leader)[1]
		away.alone()
		for range 150 { // more than the network holds of one connection
			j := w.client.sleeping(0)
			j.expression += strings.Repeat(" ", 3900)
			w.client.put(j)
			w.sleep(time.Second)
		}
		half := make(chan struct{})
		log.when("raft: installing snapshot on", func() {
			time.AfterFunc(300*time.Microsecond, func() { close(half) })
		})
		w.net.PassAll()
		w.within(half, "half a snapshot")
		if n := log.counted("msg: raft: Installed remote snapshot"); n != 0 {
			t.Fatalf("%d snapshots are there already", n)
		}
		leader.vanish()
		y := &way{world: w}
		y.accepts(time.Now(), away, other)
	})
}
