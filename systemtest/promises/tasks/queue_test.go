package tasks_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/promises/story"
)

// TestQueuedTasksKeepTheirOrderWhoeverLeads: the leader is lost when the last of
// some queued tasks comes to its disk. All run, once, the higher priorities first.
func TestQueuedTasksKeepTheirOrderWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 1)
				w.Client.Submit(45 * time.Second) // until then, nothing moves
				queued := func(priority int) story.Job {
					j := w.Client.Sleeping(time.Second)
					j.Queued, j.Priority = true, priority
					return j
				}
				var ids []uint64
				for _, priority := range []int{0, 5, 9, 5} {
					ids = append(ids, w.Client.Put(queued(priority)).Task.ID)
				}
				if s := w.Status(w.Leader()); s.Counts.Pending != 4 || s.OldestPendingAt.IsZero() {
					w.T.Errorf("the queue is %+v, its oldest of %v", s.Counts, s.OldestPendingAt)
				}
				last := queued(7)
				var id uint64
				w.LostAt(l, func(ctx context.Context) error {
					ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
					defer cancel()
					answer, err := w.Client.Try(ctx, w.Client.API, last)
					id = answer.Task.ID
					return err
				})
				ids = append(ids, id)
				started := map[uint64]time.Time{}
				for _, id := range ids {
					started[id] = w.Client.Wait(id).StartedAt
				}
				order := slices.SortedFunc(slices.Values(ids), func(a, b uint64) int { return started[a].Compare(started[b]) })
				if want := []uint64{ids[2], ids[4], ids[1], ids[3], ids[0]}; !slices.Equal(order, want) {
					w.T.Errorf("they ran as %v, want %v", order, want)
				}
			})
		})
	}
}

// TestABatchIsSubmittedOnceWhoeverLeads: the leader is lost with the batch, which
// is repeated until it is answered. Each item is one task.
func TestABatchIsSubmittedOnceWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 4)
				jobs := make([]story.Job, 50)
				items := make([]client.BatchItem, len(jobs))
				for i := range jobs {
					jobs[i] = w.Client.Sleeping(100 * time.Millisecond)
					items[i] = client.BatchItem{Expression: jobs[i].Expression, IdempotencyKey: jobs[i].Key, WhenFull: "queue"}
					w.Seen.Submitting(jobs[i].Key, jobs[i].Expression, jobs[i].Want)
				}
				w.LostAt(l, func(ctx context.Context) error {
					results, err := w.Client.API.SubmitBatch(ctx, items)
					if err != nil {
						return err
					}
					for i, r := range results {
						if r.Task == nil {
							return fmt.Errorf("item %d: %s", i, r.Error)
						}
						w.Seen.Acknowledged(jobs[i].Key, r.Task.ID)
					}
					return nil
				})
			})
		})
	}
}

// TestSubmitWaitsForTheResult, or says how far the task is when the wait ends.
func TestSubmitWaitsForTheResult(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 1)
		for _, c := range []struct {
			seconds, status int
			says            string
		}{
			{2, 201, `"status":"done"`},
			{60, 202, `"status":"in_progress"`},
		} {
			j := w.Client.Sleeping(time.Duration(c.seconds) * time.Second)
			w.Seen.Submitting(j.Key, j.Expression, j.Want)
			a := w.Client.Call(http.MethodPost, w.Leader().URL()+"/v1/tasks?wait=10s", fmt.Sprintf(`{"expression":%q}`, j.Expression), "Idempotency-Key", j.Key)
			if a.Status != c.status || !bytes.Contains(a.Body, []byte(c.says)) {
				w.T.Errorf("%d s: %d %s; want %d with %s", c.seconds, a.Status, a.Body, c.status, c.says)
			}
		}
	})
}
