package slaves_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
)

// TestASlaveIsResizedWhoeverLeads: the leader is lost with a slave's new number of
// slots on its disk. With more of them what waits begins; with fewer, what runs goes
// on, and nothing begins until there is room.
func TestASlaveIsResizedWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				s := w.Slave("slave-1", 1)
				w.Seen.Slave(s.Name, 3) // at most, from here on
				resize := func(slots int) func(ctx context.Context) error {
					return func(ctx context.Context) error {
						ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
						defer cancel()
						_, err := w.Client.API.ResizeSlave(ctx, s.Name, slots)
						return err
					}
				}
				has := func(slots int) {
					w.Await(fmt.Sprint(slots, " slots in the registry"), func(ctx context.Context) error {
						rec, err := s.Entry(ctx)
						if err == nil && rec.Slots != slots {
							err = fmt.Errorf("it has %+v", rec)
						}
						return err
					})
				}
				var ids []uint64
				for range 3 {
					j := w.Client.Sleeping(25 * time.Second)
					j.Queued = true
					ids = append(ids, w.Client.Put(j).Task.ID)
				}
				w.LostAt(l, resize(3))
				has(3)
				for _, id := range ids {
					w.AwaitRuns(id, func(runs []evidence.Run) bool { return len(runs) == 1 })
				}
				w.LostAt(l, resize(1))
				has(1)
				for range 2 {
					j := w.Client.Sleeping(3 * time.Second)
					j.Queued = true
					ids = append(ids, w.Client.Put(j).Task.ID)
				}
				var shrunk []evidence.Run
				for i, id := range ids {
					if got := w.Client.Wait(id); got.Outcome != client.Succeeded || got.Attempt != 1 {
						w.T.Errorf("task %d is %+v", id, got)
					}
					if i >= 3 {
						shrunk = append(shrunk, w.Seen.Runs(id)...)
					}
				}
				for i, a := range shrunk {
					for _, b := range append(shrunk[i+1:], w.Seen.Runs(ids[2])...) {
						if a.Began.Before(b.Ended) && b.Began.Before(a.Ended) {
							w.T.Errorf("on one slot ran %+v and %+v", a, b)
						}
					}
				}
				s.Crash()
				s.Restart()
				has(1) // of its own settings, which happen to be the same
			})
		})
	}
}
