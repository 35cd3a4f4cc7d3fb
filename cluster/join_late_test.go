package cluster

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/task"
)

// slowLog takes its time to append.
type slowLog struct {
	raft.LogStore
	takes *atomic.Int64 // nanoseconds
}

func (s slowLog) StoreLogs(logs []*raft.Log) error {
	time.Sleep(time.Duration(s.takes.Load()))
	return s.LogStore.StoreLogs(logs)
}

// TestAJoinerThatNeverCatchesUpIsTakenOutAgain: its disk is too slow. All masters
// have the members, byte for byte, that they had before, also from their disks.
func TestAJoinerThatNeverCatchesUpIsTakenOutAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		for i := range 600 {
			leader.put(fmt.Sprint(i))
		}
		w.level(all...)
		before := leader.membership()

		var takes atomic.Int64
		takes.Store(int64(2 * time.Second))
		m4 := w.master("m4")
		m4.adjust = func(c *Config) {
			c.Peers = unheard{c.Peers} // the test asks in its place
			c.WrapLogStore = func(s raft.LogStore) raft.LogStore { return slowLog{s, &takes} }
		}
		m4.start(joining(leader))
		w.eventually("m4 knows which cluster it joins", func() bool { return m4.node.identity.get().Joining != nil })
		for range 2 {
			err := leader.node.Join(t.Context(), m4.request())
			if codeOf(err) != task.CodeNotCaughtUp {
				t.Fatalf("got %v; want not_caught_up", err)
			}
			expectError(t, err, "m4", "within 5s", "it had applied")
			w.level(all...)
			for _, m := range all {
				if after := m.membership(); after != before {
					t.Errorf("%s has\n%s\nand had\n%s", m.id, after, before)
				}
			}
			leader.put("")
		}
		for _, m := range all {
			m.kill()
		}
		for _, m := range all {
			m.start(nil)
		}
		w.ready(all...)
		leader = w.leader(all...)
		w.level(all...)
		if after := leader.membership(); after != before {
			t.Errorf("after a restart:\n%s\nbefore:\n%s", after, before)
		}

		takes.Store(0)
		if err := leader.node.Join(t.Context(), m4.request()); err != nil {
			t.Fatalf("when it is fast enough: %v", err)
		}
		four := append(all, m4) //nolint:gocritic // a list of its own
		w.ready(four...)
		w.level(four...)
	})
}
