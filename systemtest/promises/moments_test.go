package promises_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// On time is what is late only by what a lost leader costs, and early only by what
// a follower learns of a stamp later than it was made.
const (
	soLate  = 5 * time.Second
	soEarly = 50 * time.Millisecond
)

// onTime checks when something happened, in true time.
func (w *world) onTime(what string, at, want time.Time) {
	w.t.Helper()
	if late := at.Sub(want); late < -soEarly || late > soLate {
		w.t.Errorf("%s happened %s after its time", what, late)
	}
}

// began waits for a task to be done and returns when its only execution began.
func (w *world) began(id uint64) time.Time {
	w.t.Helper()
	w.client.wait(id)
	runs := w.seen.Runs(id)
	if len(runs) != 1 {
		w.t.Fatalf("task %d ran %d times", id, len(runs))
	}
	return runs[0].Began
}

// TestADelayedTaskStartsOnTimeWhoeverLeads: the leader is lost with the task on its
// disk, and the next one in the middle of the wait. Also when all masters are
// down for a while.
func TestADelayedTaskStartsOnTimeWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				w.slave("slave-1", 2)
				j := w.client.sleeping(time.Second)
				j.notBefore = "60s"
				var id uint64
				var submitted time.Time
				w.lostAt(l, func(ctx context.Context) error {
					ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
					defer cancel()
					submitted = time.Now()
					answer, err := w.client.try(ctx, w.client.api, j)
					id = answer.Task.ID
					if err == nil {
						submitted = answer.Task.SubmittedAt
					}
					return err
				})
				w.client.wait(w.client.submit(0).ID) // it is in nobody's way
				leader := w.leader()
				l.strike(leader)
				w.sleep(3 * time.Second)
				leader.mend()
				w.onTime("its start", w.began(id), submitted.Add(time.Minute))
			})
		})
	}
	t.Run("all are down", func(t *testing.T) {
		bubble(t, func(w *world) {
			w.formed(3)
			w.slave("slave-1", 2)
			j, k := w.client.sleeping(time.Second), w.client.sleeping(time.Second)
			j.notBefore, k.notBefore = "60s", "20s"
			submitted := time.Now()
			long, short := w.client.put(j).Task.ID, w.client.put(k).Task.ID
			w.sleep(10 * time.Second)
			for _, m := range w.masters {
				m.crash()
			}
			w.sleep(30 * time.Second)
			w.startAll()
			up := time.Now()
			w.onTime("the start that was missed", w.began(short), up.Add(-2*time.Second))
			w.onTime("the other", w.began(long), submitted.Add(time.Minute))
		})
	})
}

// TestATaskExpiresOnceWhoeverLeads: the leader is lost when the end of a task whose
// deadline has passed comes to its disk. The task ends as expired, once, its
// execution is stopped, and the one that waits never runs.
func TestATaskExpiresOnceWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				s := w.slave("slave-1", 1)
				expired := evidence.Want{Outcome: client.Expired}
				running, waiting := w.client.job("sleep(100)", expired), w.client.job("sleep(1)", expired)
				running.deadline, waiting.deadline, waiting.queued = "20s", "20s", true
				submitted := time.Now()
				first, second := w.client.put(running).Task.ID, w.client.put(waiting).Task.ID
				w.sleep(15 * time.Second)
				w.trap(w.leader(), l)("the end")
				for _, id := range []uint64{first, second} {
					w.onTime("the end", w.client.wait(id).FinishedAt, submitted.Add(20*time.Second))
				}
				w.await("its slot", func(ctx context.Context) error {
					if runs := w.seen.Runs(first); len(runs) != 1 || runs[0].Ended.IsZero() {
						return fmt.Errorf("it runs on: %+v", runs)
					}
					rec, err := s.entry(ctx)
					if err == nil && rec.Busy > 0 {
						err = fmt.Errorf("%d slots are busy", rec.Busy)
					}
					return err
				})
				if runs := w.seen.Runs(second); len(runs) > 0 {
					w.t.Errorf("what expired in the queue ran: %+v", runs)
				}
				w.client.wait(w.client.submit(time.Second).ID)
			})
		})
	}
}

// TestTheNextTryWaitsWhoeverLeads: the slave that has a task dies, and then the
// leader, in the wait before the next try.
func TestTheNextTryWaitsWhoeverLeads(t *testing.T) {
	for _, l := range losses {
		t.Run("it "+l.name, func(t *testing.T) {
			bubble(t, func(w *world) {
				w.formed(3)
				first := w.slave("slave-1", 1)
				j := w.client.sleeping(time.Second)
				j.backoff = "30s"
				id := w.client.put(j).Task.ID
				w.awaitRuns(id, func(runs []evidence.Run) bool { return len(runs) == 1 })
				first.crash()
				w.slave("slave-2", 1)
				var again client.Task
				w.await("the next try", func(ctx context.Context) error {
					var err error
					again, err = w.observer.api.Task(ctx, id, client.ReadOptions{})
					if err == nil && again.Status != client.TaskPending {
						err = fmt.Errorf("%+v", again)
					}
					return err
				})
				leader := w.leader()
				l.strike(leader)
				w.sleep(3 * time.Second)
				leader.mend()
				w.ready()
				w.client.wait(id)
				runs := w.seen.Runs(id)
				if len(runs) != 2 || again.ReadyAt.Before(runs[0].Began.Add(30*time.Second)) {
					w.t.Fatalf("ready at %s, after %+v", again.ReadyAt, runs)
				}
				w.onTime("the next try", runs[1].Began, again.ReadyAt)
			})
		})
	}
}

// TestAWrongClockMovesNothing: each master leads for a while, and the wall clock of
// one is off by an hour. Nothing starts or expires early, or late.
func TestAWrongClockMovesNothing(t *testing.T) {
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		for _, first := range []int{0, 1} {
			t.Run(fmt.Sprintf("m1 %s, m%d leads first", off, first+1), func(t *testing.T) {
				with(t, options{questionTTL: time.Second, clock: map[string]time.Duration{"m1": off}}, func(w *world) {
					w.formed(3)
					w.slave("slave-1", 2)
					w.leads(w.masters[first])
					at := time.Now().Add(100 * time.Second)
					var starts []uint64
					for _, notBefore := range []string{"100s", at.UTC().Format(time.RFC3339Nano)} {
						j := w.client.sleeping(time.Second)
						j.notBefore = notBefore
						starts = append(starts, w.client.put(j).Task.ID)
					}
					j, k := w.client.job("sleep(1000)", evidence.Want{Outcome: client.Expired}), w.client.sleeping(time.Second)
					j.deadline, k.deadline = "100s", time.Now().Add(30*time.Minute).UTC().Format(time.RFC3339Nano)
					ends, intime := w.client.put(j).Task.ID, w.client.put(k).Task.ID
					for _, m := range []*master{w.masters[1-first], w.masters[first], w.masters[2], w.masters[0]} {
						w.sleep(10 * time.Second)
						w.leads(m)
					}
					for _, id := range starts {
						w.onTime("the start", w.began(id), at)
					}
					w.client.wait(ends)
					w.onTime("the end", w.seen.Runs(ends)[0].Ended, at)
					w.client.wait(intime)
				})
			})
		}
	}
}

// leads hands leadership to a master, if it does not lead.
func (w *world) leads(m *master) {
	w.t.Helper()
	w.await(m.id+" to lead", func(ctx context.Context) error {
		if w.leader() == m {
			return nil
		}
		_, err := w.client.api.TransferLeadership(ctx, m.id)
		return err
	})
	w.ready()
}
