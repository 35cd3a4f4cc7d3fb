package promises_test

import (
	"context"
	"testing"
	"time"

	"muster/api/client"
)

// TestResizingNeverOverbooksWhoeverLeads: the leader is lost while it takes slots
// from a slave that is full, and again while it gives it some. What runs goes on,
// the slave never runs more than its slots say, and new slots take waiting tasks.
func TestResizingNeverOverbooksWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				s := w.slave("slave-1", 4)
				var full, later []uint64
				for range 4 {
					full = append(full, w.client.submit(40*time.Second).ID)
				}
				for range 3 {
					j := w.client.sleeping(20 * time.Second)
					j.queued = true
					later = append(later, w.client.put(j).Task.ID)
				}
				resize := func(slots int) {
					w.lostAt(l, func(ctx context.Context) error {
						_, err := w.client.api.ResizeSlave(ctx, s.name, slots)
						return err
					})
					if got, err := s.entry(w.t.Context()); err != nil || got.Slots != slots {
						w.t.Errorf("it is %+v, %v; want %d slots", got, err, slots)
					}
				}
				resize(1)
				for _, id := range full {
					if got := w.client.wait(id); got.Attempt != 1 || got.Outcome != client.Succeeded {
						w.t.Errorf("what it had is %+v", got)
					}
				}
				w.client.wait(later[0])
				for _, id := range later[1:] {
					if runs := w.seen.Runs(id); len(runs) > 0 && runs[0].Began.Before(w.seen.Runs(later[0])[0].Ended) {
						w.t.Errorf("task %d began while another had the one slot", id)
					}
				}
				resize(3)
				for _, id := range later {
					w.client.wait(id)
				}
				a, b := w.seen.Runs(later[1])[0], w.seen.Runs(later[2])[0]
				if b.Began.After(a.Ended) {
					w.t.Errorf("with three slots, one task ran after the other: %+v, %+v", a, b)
				}
			})
		})
	}
}
