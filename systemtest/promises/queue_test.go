package promises_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"muster/api/client"
)

// TestQueuedTasksKeepTheirOrderWhoeverLeads: the leader is lost when the last of
// some queued tasks comes to its disk. All run, once, the higher priorities first.
func TestQueuedTasksKeepTheirOrderWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				w.slave("slave-1", 1)
				w.client.submit(45 * time.Second) // until then, nothing moves
				queued := func(priority int) job {
					j := w.client.sleeping(time.Second)
					j.queued, j.priority = true, priority
					return j
				}
				var ids []uint64
				for _, priority := range []int{0, 5, 9, 5} {
					ids = append(ids, w.client.put(queued(priority)).Task.ID)
				}
				if s := w.status(w.leader()); s.Counts.Pending != 4 || s.OldestPendingAt.IsZero() {
					w.t.Errorf("the queue is %+v, its oldest of %v", s.Counts, s.OldestPendingAt)
				}
				last := queued(7)
				var id uint64
				w.lostAt(l, func(ctx context.Context) error {
					ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
					defer cancel()
					answer, err := w.client.try(ctx, w.client.api, last)
					id = answer.Task.ID
					return err
				})
				ids = append(ids, id)
				started := map[uint64]time.Time{}
				for _, id := range ids {
					started[id] = w.client.wait(id).StartedAt
				}
				order := slices.SortedFunc(slices.Values(ids), func(a, b uint64) int { return started[a].Compare(started[b]) })
				if want := []uint64{ids[2], ids[4], ids[1], ids[3], ids[0]}; !slices.Equal(order, want) {
					w.t.Errorf("they ran as %v, want %v", order, want)
				}
			})
		})
	}
}

// TestABatchIsSubmittedOnceWhoeverLeads: the leader is lost with the batch, which
// is repeated until it is answered. Each item is one task.
func TestABatchIsSubmittedOnceWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				w.slave("slave-1", 4)
				jobs := make([]job, 50)
				items := make([]client.BatchItem, len(jobs))
				for i := range jobs {
					jobs[i] = w.client.sleeping(100 * time.Millisecond)
					items[i] = client.BatchItem{Expression: jobs[i].expression, IdempotencyKey: jobs[i].key, WhenFull: "queue"}
					w.seen.Submitting(jobs[i].key, jobs[i].expression, jobs[i].want)
				}
				w.lostAt(l, func(ctx context.Context) error {
					results, err := w.client.api.SubmitBatch(ctx, items)
					if err != nil {
						return err
					}
					for i, r := range results {
						if r.Task == nil {
							return fmt.Errorf("item %d: %s", i, r.Error)
						}
						w.seen.Acknowledged(jobs[i].key, r.Task.ID)
					}
					return nil
				})
			})
		})
	}
}

// TestSubmitWaitsForTheResult, or says how far the task is when the wait ends.
func TestSubmitWaitsForTheResult(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 1)
		for _, c := range []struct {
			seconds, status int
			says            string
		}{
			{2, 201, `"status":"done"`},
			{60, 202, `"status":"in_progress"`},
		} {
			j := w.client.sleeping(time.Duration(c.seconds) * time.Second)
			w.seen.Submitting(j.key, j.expression, j.want)
			a := w.client.call(http.MethodPost, w.leader().url()+"/v1/tasks?wait=10s", fmt.Sprintf(`{"expression":%q}`, j.expression), "Idempotency-Key", j.key)
			if a.status != c.status || !bytes.Contains(a.body, []byte(c.says)) {
				w.t.Errorf("%d s: %d %s; want %d with %s", c.seconds, a.status, a.body, c.status, c.says)
			}
		}
	})
}
