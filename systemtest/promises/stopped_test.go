package promises_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// trap has the leader lost in the moment in which its next command comes to its
// disk. What it returns waits for that, and then mends the leader.
func (w *world) trap(leader *master, l loss) (sprung func(what string)) {
	w.t.Helper()
	came := leader.disk.first(raft.LogCommand, func() {
		if l.name != handsOver { // which needs its disk
			l.strike(leader)
		}
	})
	return func(what string) {
		w.t.Helper()
		w.within(came, what+" at the leader's disk")
		if l.name == handsOver {
			l.strike(leader)
		}
		w.sleep(3 * time.Second)
		leader.mend()
	}
}

// lostAt has a change reach the leader, which is lost in the moment in which the
// change comes to its disk. It returns when all masters are well again and the
// change was answered.
func (w *world) lostAt(l loss, change func(ctx context.Context) error) {
	w.t.Helper()
	leader := w.leader()
	w.sleep(2 * time.Second) // all that follows an election is written
	sprung := w.trap(leader, l)
	changed := make(chan struct{})
	go func() {
		defer close(changed)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for err := change(ctx); err != nil; err = change(ctx) {
			if ctx.Err() != nil {
				w.t.Errorf("the change was not made: %v", err)
				return
			}
			w.sleep(50 * time.Millisecond)
		}
	}()
	sprung("the change")
	w.within(changed, "the answer to the change")
	w.ready()
}

// TestACancelledTaskStopsWhoeverLeads: the leader is lost with the cancellation on
// its disk only. Its slave stops the task, once, and has its slot again.
func TestACancelledTaskStopsWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				s := w.slave("slave-1", 1)
				j := w.client.job("sleep(100)", evidence.Want{Outcome: client.Cancelled})
				id := w.client.put(j).Task.ID
				w.awaitRuns(id, func(runs []evidence.Run) bool { return len(runs) == 1 })
				w.lostAt(l, func(ctx context.Context) error {
					_, err := w.client.api.Cancel(ctx, id)
					return err
				})
				w.await("its slot", func(ctx context.Context) error {
					if runs := w.seen.Runs(id); len(runs) != 1 || runs[0].Ended.IsZero() {
						return fmt.Errorf("it runs on: %+v", runs)
					}
					rec, err := s.entry(ctx)
					if err == nil && rec.Busy > 0 {
						err = fmt.Errorf("%d slots are busy", rec.Busy)
					}
					return err
				})
				if runs := w.seen.Runs(id); runs[0].Ended.Sub(runs[0].Began) > 15*time.Second {
					w.t.Errorf("it ran for %v after it was cancelled", runs[0].Ended.Sub(runs[0].Began))
				}
				w.client.wait(w.client.submit(time.Second).ID)
			})
		})
	}
}

// TestACancelThatComesTooLateSaysSo: what is done stays what it is.
func TestACancelThatComesTooLateSaysSo(t *testing.T) {
	bubble(t, func(w *world) {
		w.formed(3)
		w.slave("slave-1", 1)
		done := w.client.wait(w.client.submit(0).ID)
		for _, m := range w.masters {
			if _, err := w.client.of(m, w.leader()).Cancel(w.t.Context(), done.ID); code(err) != client.CodeAlreadyDone {
				w.t.Errorf("at %s: %v", m.id, err)
			}
		}
		if _, err := w.client.api.Cancel(w.t.Context(), 99); code(err) != client.CodeTaskNotFound {
			w.t.Errorf("an unknown task: %v", err)
		}
	})
}

// TestADrainedSlaveStaysDrainedWhoeverLeads, also when it restarts, until it is
// undrained; what it has goes on.
func TestADrainedSlaveStaysDrainedWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				first, second := w.slave("slave-1", 1), w.slave("slave-2", 4)
				has := w.client.submit(20 * time.Second)
				w.lostAt(l, func(ctx context.Context) error {
					_, err := w.client.api.DrainSlave(ctx, first.name)
					return err
				})
				if got := w.client.submit(0); got.Slave != second.name {
					w.t.Errorf("a task went to %s", got.Slave)
				}
				if got := w.client.wait(has.ID); got.Slave != first.name || got.Attempt != 1 {
					w.t.Errorf("what it had is %+v", got)
				}
				first.crash()
				first.start()
				w.await("the restarted slave to be registered", func(ctx context.Context) error {
					rec, err := first.entry(ctx)
					if err == nil && (rec.State != client.SlaveDraining || rec.RegisteredAt.Before(has.SubmittedAt)) {
						err = fmt.Errorf("it is %+v", rec)
					}
					return err
				})
				if got := w.client.submit(0); got.Slave != second.name {
					w.t.Errorf("after its restart a task went to %s", got.Slave)
				}
				w.lostAt(l, func(ctx context.Context) error {
					_, err := w.client.api.UndrainSlave(ctx, first.name)
					return err
				})
				if got := w.client.submit(0); got.Slave != first.name {
					w.t.Errorf("undrained, a task went to %s", got.Slave)
				}
			})
		})
	}
}

// TestARemovedSlavesTasksMoveOnWhoeverLeads: the leader is lost while it removes
// a slave with a task; the task runs elsewhere, and the slave may come back.
func TestARemovedSlavesTasksMoveOnWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				first, second := w.slave("slave-1", 1), w.slave("slave-2", 1)
				has := w.client.submit(20 * time.Second)
				if _, err := w.client.api.RemoveSlave(w.t.Context(), first.name, false); code(err) != client.CodeSlaveBusy {
					w.t.Errorf("a slave with a task was removed: %v", err)
				}
				w.lostAt(l, func(ctx context.Context) error {
					_, err := w.client.api.RemoveSlave(ctx, first.name, true)
					if code(err) == client.CodeSlaveNotFound {
						return nil // by an earlier attempt
					}
					return err
				})
				if got := w.client.wait(has.ID); got.Slave != second.name || got.Tries != 2 {
					w.t.Errorf("what it had is %+v", got)
				}
				w.sleep(time.Minute)
				w.await("the removed slave to register by itself: nobody asks it any more", func(ctx context.Context) error {
					_, err := first.entry(ctx)
					return err
				})
				if got := w.client.submit(0); got.Slave != second.name {
					w.t.Errorf("a task went to %s, which is the last in the order now", got.Slave)
				}
			})
		})
	}
}
