package tasks_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"muster/api/client"
	"muster/cmd/app"
	"muster/systemtest/promises/story"
)

// TestForgottenTasksStayForgottenWhoeverLeads: the leader is lost when it forgets
// old tasks. All masters forget the same; the young ones and their keys stay; a
// forgotten id is told as such, and its key is free.
func TestForgottenTasksStayForgottenWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			o := story.Options{QuestionTTL: time.Second, Snapshots: 30, Retention: app.Retention{Tasks: 5, Min: 20 * time.Second}}
			story.TellWith(t, o, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 4)
				var jobs []story.Job
				var ids []uint64
				for range 20 {
					j := w.Client.Sleeping(0)
					jobs, ids = append(jobs, j), append(ids, w.Client.Put(j).Task.ID)
				}
				for _, id := range ids {
					w.Client.Wait(id)
				}
				w.Trap(w.Leader(), l)("the command")
				w.Ready()
				w.Await("the old tasks to be forgotten", func(ctx context.Context) error {
					for _, m := range w.Masters {
						s, err := w.Observer.API.Status(ctx, m.URL(), false)
						if err == nil && s.Counts.Forgotten != 15 {
							err = fmt.Errorf("%s has forgotten %d", m.ID, s.Counts.Forgotten)
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
				for _, m := range w.Masters {
					for i, id := range ids {
						want := http.StatusOK
						if i < 15 {
							want = http.StatusGone
						}
						if a := w.Observer.Call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d", m.URL(), id), ""); a.Status != want {
							w.T.Errorf("%s says %d of task %d, want %d", m.ID, a.Status, id, want)
						}
					}
				}
				if _, err := w.Client.API.Cancel(w.T.Context(), ids[0]); story.Code(err) != client.CodeTaskForgotten {
					w.T.Errorf("cancel a forgotten task: %v", err)
				}
				if again := w.Client.Put(jobs[19]); again.Task.ID != ids[19] {
					w.T.Errorf("the key of task %d is task %d now", ids[19], again.Task.ID)
				}
			})
		})
	}
}
