package promises_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// TestASlaveIsResizedWhoeverLeads: the leader is lost with a slave's new number of
// slots on its disk. With more of them what waits begins; with fewer, what runs goes
// on, and nothing begins until there is room.
func TestASlaveIsResizedWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				s := w.slave("slave-1", 1)
				w.seen.Slave(s.name, 3) // at most, from here on
				resize := func(slots int) func(ctx context.Context) error {
					return func(ctx context.Context) error {
						ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
						defer cancel()
						_, err := w.client.api.ResizeSlave(ctx, s.name, slots)
						return err
					}
				}
				has := func(slots int) {
					w.await(fmt.Sprint(slots, " slots in the registry"), func(ctx context.Context) error {
						rec, err := s.entry(ctx)
						if err == nil && rec.Slots != slots {
							err = fmt.Errorf("it has %+v", rec)
						}
						return err
					})
				}
				var ids []uint64
				for range 3 {
					j := w.client.sleeping(25 * time.Second)
					j.queued = true
					ids = append(ids, w.client.put(j).Task.ID)
				}
				w.lostAt(l, resize(3))
				has(3)
				for _, id := range ids {
					w.awaitRuns(id, func(runs []evidence.Run) bool { return len(runs) == 1 })
				}
				w.lostAt(l, resize(1))
				has(1)
				for range 2 {
					j := w.client.sleeping(3 * time.Second)
					j.queued = true
					ids = append(ids, w.client.put(j).Task.ID)
				}
				var shrunk []evidence.Run
				for i, id := range ids {
					if got := w.client.wait(id); got.Outcome != client.Succeeded || got.Attempt != 1 {
						w.t.Errorf("task %d is %+v", id, got)
					}
					if i >= 3 {
						shrunk = append(shrunk, w.seen.Runs(id)...)
					}
				}
				for i, a := range shrunk {
					for _, b := range append(shrunk[i+1:], w.seen.Runs(ids[2])...) {
						if a.Began.Before(b.Ended) && b.Began.Before(a.Ended) {
							w.t.Errorf("on one slot ran %+v and %+v", a, b)
						}
					}
				}
				s.crash()
				s.restart()
				has(1) // of its own settings, which happen to be the same
			})
		})
	}
}
