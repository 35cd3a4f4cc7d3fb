package promises_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"muster/api/client"
	"muster/cmd/app"
)

// TestForgottenTasksStayForgottenWhoeverLeads: the leader is lost when it forgets
// old tasks. All masters forget the same; the young ones and their keys stay; a
// forgotten id is told as such, and its key is free.
func TestForgottenTasksStayForgottenWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			o := options{questionTTL: time.Second, snapshots: 30, retention: app.Retention{Tasks: 5, Min: 20 * time.Second}}
			with(t, o, func(w *world) {
				w.formed(3)
				w.slave("slave-1", 4)
				var jobs []job
				var ids []uint64
				for range 20 {
					j := w.client.sleeping(0)
					jobs, ids = append(jobs, j), append(ids, w.client.put(j).Task.ID)
				}
				for _, id := range ids {
					w.client.wait(id)
				}
				w.trap(w.leader(), l)("the command")
				w.ready()
				w.await("the old tasks to be forgotten", func(ctx context.Context) error {
					for _, m := range w.masters {
						s, err := w.observer.api.Status(ctx, m.url(), false)
						if err == nil && s.Counts.Forgotten != 15 {
							err = fmt.Errorf("%s has forgotten %d", m.id, s.Counts.Forgotten)
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
				for _, m := range w.masters {
					for i, id := range ids {
						want := http.StatusOK
						if i < 15 {
							want = http.StatusGone
						}
						if a := w.observer.call(http.MethodGet, fmt.Sprintf("%s/v1/tasks/%d", m.url(), id), ""); a.status != want {
							w.t.Errorf("%s says %d of task %d, want %d", m.id, a.status, id, want)
						}
					}
				}
				if _, err := w.client.api.Cancel(w.t.Context(), ids[0]); code(err) != client.CodeTaskForgotten {
					w.t.Errorf("cancel a forgotten task: %v", err)
				}
				if again := w.client.put(jobs[19]); again.Task.ID != ids[19] {
					w.t.Errorf("the key of task %d is task %d now", ids[19], again.Task.ID)
				}
			})
		})
	}
}
