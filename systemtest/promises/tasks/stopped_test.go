package tasks_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
)

// TestACancelledTaskStopsWhoeverLeads: the leader is lost with the cancellation on
// its disk only. Its slave stops the task, once, and has its slot again.
func TestACancelledTaskStopsWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				s := w.Slave("slave-1", 1)
				j := w.Client.Job("sleep(100)", evidence.Want{Outcome: client.Cancelled})
				id := w.Client.Put(j).Task.ID
				w.AwaitRuns(id, func(runs []evidence.Run) bool { return len(runs) == 1 })
				w.LostAt(l, func(ctx context.Context) error {
					_, err := w.Client.API.Cancel(ctx, id)
					return err
				})
				w.Await("its slot", func(ctx context.Context) error {
					if runs := w.Seen.Runs(id); len(runs) != 1 || runs[0].Ended.IsZero() {
						return fmt.Errorf("it runs on: %+v", runs)
					}
					rec, err := s.Entry(ctx)
					if err == nil && rec.Busy > 0 {
						err = fmt.Errorf("%d slots are busy", rec.Busy)
					}
					return err
				})
				if runs := w.Seen.Runs(id); runs[0].Ended.Sub(runs[0].Began) > 15*time.Second {
					w.T.Errorf("it ran for %v after it was cancelled", runs[0].Ended.Sub(runs[0].Began))
				}
				w.Client.Wait(w.Client.Submit(time.Second).ID)
			})
		})
	}
}

// TestACancelThatComesTooLateSaysSo: what is done stays what it is.
func TestACancelThatComesTooLateSaysSo(t *testing.T) {
	story.Tell(t, func(w *story.World) {
		w.Formed(3)
		w.Slave("slave-1", 1)
		done := w.Client.Wait(w.Client.Submit(0).ID)
		for _, m := range w.Masters {
			if _, err := w.Client.Of(m, w.Leader()).Cancel(w.T.Context(), done.ID); story.Code(err) != client.CodeAlreadyDone {
				w.T.Errorf("at %s: %v", m.ID, err)
			}
		}
		if _, err := w.Client.API.Cancel(w.T.Context(), 99); story.Code(err) != client.CodeTaskNotFound {
			w.T.Errorf("an unknown task: %v", err)
		}
	})
}

// TestADrainedSlaveStaysDrainedWhoeverLeads, also when it restarts, until it is
// undrained; what it has goes on.
func TestADrainedSlaveStaysDrainedWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				first, second := w.Slave("slave-1", 1), w.Slave("slave-2", 4)
				has := w.Client.Submit(20 * time.Second)
				w.LostAt(l, func(ctx context.Context) error {
					_, err := w.Client.API.DrainSlave(ctx, first.Name)
					return err
				})
				if got := w.Client.Submit(0); got.Slave != second.Name {
					w.T.Errorf("a task went to %s", got.Slave)
				}
				if got := w.Client.Wait(has.ID); got.Slave != first.Name || got.Attempt != 1 {
					w.T.Errorf("what it had is %+v", got)
				}
				first.Crash()
				first.Start()
				w.Await("the restarted slave to be registered", func(ctx context.Context) error {
					rec, err := first.Entry(ctx)
					if err == nil && (rec.State != client.SlaveDraining || rec.RegisteredAt.Before(has.SubmittedAt)) {
						err = fmt.Errorf("it is %+v", rec)
					}
					return err
				})
				if got := w.Client.Submit(0); got.Slave != second.Name {
					w.T.Errorf("after its restart a task went to %s", got.Slave)
				}
				w.LostAt(l, func(ctx context.Context) error {
					_, err := w.Client.API.UndrainSlave(ctx, first.Name)
					return err
				})
				if got := w.Client.Submit(0); got.Slave != first.Name {
					w.T.Errorf("undrained, a task went to %s", got.Slave)
				}
			})
		})
	}
}

// TestARemovedSlavesTasksMoveOnWhoeverLeads: the leader is lost while it removes
// a slave with a task; the task runs elsewhere, and the slave may come back.
func TestARemovedSlavesTasksMoveOnWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				first, second := w.Slave("slave-1", 1), w.Slave("slave-2", 1)
				has := w.Client.Submit(20 * time.Second)
				if _, err := w.Client.API.RemoveSlave(w.T.Context(), first.Name, false); story.Code(err) != client.CodeSlaveBusy {
					w.T.Errorf("a slave with a task was removed: %v", err)
				}
				w.LostAt(l, func(ctx context.Context) error {
					_, err := w.Client.API.RemoveSlave(ctx, first.Name, true)
					if story.Code(err) == client.CodeSlaveNotFound {
						return nil // by an earlier attempt
					}
					return err
				})
				if got := w.Client.Wait(has.ID); got.Slave != second.Name || got.Tries != 2 {
					w.T.Errorf("what it had is %+v", got)
				}
				w.Sleep(time.Minute)
				w.Await("the removed slave to register by itself: nobody asks it any more", func(ctx context.Context) error {
					_, err := first.Entry(ctx)
					return err
				})
				if got := w.Client.Submit(0); got.Slave != second.Name {
					w.T.Errorf("a task went to %s, which is the last in the order now", got.Slave)
				}
			})
		})
	}
}
