package leaderloss_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/systemtest/promises/story"
)

// TestAFollowerThatWasSilentIsToldAgain: a leader that keeps on leading while a
// follower is silent for longer than a message of Raft may take tells it
// everything when it is back. (With pipelines, hashicorp/raft may wait for ever
// for a slot in one that nobody reads, while its heartbeats go on.)
func TestAFollowerThatWasSilentIsToldAgain(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		leader := w.Leader()
		term := w.Status(leader).Term
		for i := range 8 {
			follower := w.Followers(leader)[i%2]
			follower.Alone()
			for range 40 {
				w.Client.Put(w.Client.Sleeping(0))
				w.Sleep(100 * time.Millisecond)
			}
			w.Net.PassAll()
			index := w.Status(leader).AppliedIndex
			w.Await(fmt.Sprintf("%s to apply index %d", follower.ID, index), func(context.Context) error {
				if at := w.Status(follower).AppliedIndex; at < index {
					return fmt.Errorf("it is at %d", at)
				}
				return nil
			})
		}
		if s := w.Status(leader); s.Term != term {
			t.Errorf("the term is %d, was %d: the story is about one leader", s.Term, term)
		}
	})
}

// TestALeaderVanishesWhileItSendsASnapshot: the follower that waits for the rest
// of it must not wait for ever, as it is needed to elect another.
func TestALeaderVanishesWhileItSendsASnapshot(t *testing.T) {
	log := story.NewJournal(t)
	story.TellWith(t, story.Options{QuestionTTL: time.Second, Snapshots: 50, Logs: log}, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 8)
		leader := w.Leader()
		away, other := w.Followers(leader)[0], w.Followers(leader)[1]
		away.Alone()
		for range 150 { // more than the network holds of one connection
			j := w.Client.Sleeping(0)
			j.Expression += strings.Repeat(" ", 3900)
			w.Client.Put(j)
			w.Sleep(time.Second)
		}
		half := make(chan struct{})
		log.When("raft: installing snapshot on", func() {
			time.AfterFunc(300*time.Microsecond, func() { close(half) })
		})
		w.Net.PassAll()
		w.Within(half, "half a snapshot")
		if n := log.Counted("msg: raft: Installed remote snapshot"); n != 0 {
			t.Fatalf("%d snapshots are there already", n)
		}
		leader.Vanish()
		y := &way{World: w}
		y.accepts(time.Now(), away, other)
	})
}
