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

// On time is what is late only by what a lost leader costs, and early only by what
// a follower learns of a stamp later than it was made.
const (
	soLate  = 5 * time.Second
	soEarly = 50 * time.Millisecond
)

// onTime checks when something happened, in true time.
func onTime(w *story.World, what string, at, want time.Time) {
	w.T.Helper()
	if late := at.Sub(want); late < -soEarly || late > soLate {
		w.T.Errorf("%s happened %s after its time", what, late)
	}
}

// beganAt waits for a task to be done and returns when its only execution began.
func beganAt(w *story.World, id uint64) time.Time {
	w.T.Helper()
	w.Client.Wait(id)
	runs := w.Seen.Runs(id)
	if len(runs) != 1 {
		w.T.Fatalf("task %d ran %d times", id, len(runs))
	}
	return runs[0].Began
}

// TestADelayedTaskStartsOnTimeWhoeverLeads: the leader is lost with the task on its
// disk, and the next one in the middle of the wait. Also when all masters are
// down for a while.
func TestADelayedTaskStartsOnTimeWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				w.Slave("slave-1", 2)
				j := w.Client.Sleeping(time.Second)
				j.NotBefore = "60s"
				var id uint64
				var submitted time.Time
				w.LostAt(l, func(ctx context.Context) error {
					ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
					defer cancel()
					submitted = time.Now()
					answer, err := w.Client.Try(ctx, w.Client.API, j)
					id = answer.Task.ID
					if err == nil {
						submitted = answer.Task.SubmittedAt
					}
					return err
				})
				w.Client.Wait(w.Client.Submit(0).ID) // it is in nobody's way
				leader := w.Leader()
				l.Strike(leader)
				w.Sleep(3 * time.Second)
				leader.Mend()
				onTime(w, "its start", beganAt(w, id), submitted.Add(time.Minute))
			})
		})
	}
	t.Run("all are down", func(t *testing.T) {
		story.Tell(t, func(w *story.World) {
			w.Formed(3)
			w.Slave("slave-1", 2)
			j, k := w.Client.Sleeping(time.Second), w.Client.Sleeping(time.Second)
			j.NotBefore, k.NotBefore = "60s", "20s"
			submitted := time.Now()
			long, short := w.Client.Put(j).Task.ID, w.Client.Put(k).Task.ID
			w.Sleep(10 * time.Second)
			for _, m := range w.Masters {
				m.Crash()
			}
			w.Sleep(30 * time.Second)
			w.StartAll()
			up := time.Now()
			onTime(w, "the start that was missed", beganAt(w, short), up.Add(-2*time.Second))
			onTime(w, "the other", beganAt(w, long), submitted.Add(time.Minute))
		})
	})
}

// TestATaskExpiresOnceWhoeverLeads: the leader is lost when the end of a task whose
// deadline has passed comes to its disk. The task ends as expired, once, its
// execution is stopped, and the one that waits never runs.
func TestATaskExpiresOnceWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				s := w.Slave("slave-1", 1)
				expired := evidence.Want{Outcome: client.Expired}
				running, waiting := w.Client.Job("sleep(100)", expired), w.Client.Job("sleep(1)", expired)
				running.Deadline, waiting.Deadline, waiting.Queued = "20s", "20s", true
				submitted := time.Now()
				first, second := w.Client.Put(running).Task.ID, w.Client.Put(waiting).Task.ID
				w.Sleep(15 * time.Second)
				w.Trap(w.Leader(), l)("the end")
				for _, id := range []uint64{first, second} {
					onTime(w, "the end", w.Client.Wait(id).FinishedAt, submitted.Add(20*time.Second))
				}
				w.Await("its slot", func(ctx context.Context) error {
					if runs := w.Seen.Runs(first); len(runs) != 1 || runs[0].Ended.IsZero() {
						return fmt.Errorf("it runs on: %+v", runs)
					}
					rec, err := s.Entry(ctx)
					if err == nil && rec.Busy > 0 {
						err = fmt.Errorf("%d slots are busy", rec.Busy)
					}
					return err
				})
				if runs := w.Seen.Runs(second); len(runs) > 0 {
					w.T.Errorf("what expired in the queue ran: %+v", runs)
				}
				w.Client.Wait(w.Client.Submit(time.Second).ID)
			})
		})
	}
}

// TestTheNextTryWaitsWhoeverLeads: the slave that has a task dies, and then the
// leader, in the wait before the next try.
func TestTheNextTryWaitsWhoeverLeads(t *testing.T) {
	for _, l := range story.Losses {
		t.Run("it "+l.Name, func(t *testing.T) {
			story.Tell(t, func(w *story.World) {
				w.Formed(3)
				first := w.Slave("slave-1", 1)
				j := w.Client.Sleeping(time.Second)
				j.Backoff = "30s"
				id := w.Client.Put(j).Task.ID
				w.AwaitRuns(id, func(runs []evidence.Run) bool { return len(runs) == 1 })
				first.Crash()
				w.Slave("slave-2", 1)
				var again client.Task
				w.Await("the next try", func(ctx context.Context) error {
					var err error
					again, err = w.Observer.API.Task(ctx, id, client.ReadOptions{})
					if err == nil && again.Status != client.TaskPending {
						err = fmt.Errorf("%+v", again)
					}
					return err
				})
				leader := w.Leader()
				l.Strike(leader)
				w.Sleep(3 * time.Second)
				leader.Mend()
				w.Ready()
				w.Client.Wait(id)
				runs := w.Seen.Runs(id)
				if len(runs) != 2 || again.ReadyAt.Before(runs[0].Began.Add(30*time.Second)) {
					w.T.Fatalf("ready at %s, after %+v", again.ReadyAt, runs)
				}
				onTime(w, "the next try", runs[1].Began, again.ReadyAt)
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
				story.TellWith(t, story.Options{QuestionTTL: time.Second, Clock: map[string]time.Duration{"m1": off}}, func(w *story.World) {
					w.Formed(3)
					w.Slave("slave-1", 2)
					leads(w, w.Masters[first])
					at := time.Now().Add(100 * time.Second)
					var starts []uint64
					for _, notBefore := range []string{"100s", at.UTC().Format(time.RFC3339Nano)} {
						j := w.Client.Sleeping(time.Second)
						j.NotBefore = notBefore
						starts = append(starts, w.Client.Put(j).Task.ID)
					}
					j, k := w.Client.Job("sleep(1000)", evidence.Want{Outcome: client.Expired}), w.Client.Sleeping(time.Second)
					j.Deadline, k.Deadline = "100s", time.Now().Add(30*time.Minute).UTC().Format(time.RFC3339Nano)
					ends, intime := w.Client.Put(j).Task.ID, w.Client.Put(k).Task.ID
					for _, m := range []*story.Master{w.Masters[1-first], w.Masters[first], w.Masters[2], w.Masters[0]} {
						w.Sleep(10 * time.Second)
						leads(w, m)
					}
					for _, id := range starts {
						onTime(w, "the start", beganAt(w, id), at)
					}
					w.Client.Wait(ends)
					onTime(w, "the end", w.Seen.Runs(ends)[0].Ended, at)
					w.Client.Wait(intime)
				})
			})
		}
	}
}

// leads hands leadership to a master, if it does not lead.
func leads(w *story.World, m *story.Master) {
	w.T.Helper()
	w.Await(m.ID+" to lead", func(ctx context.Context) error {
		if w.Leader() == m {
			return nil
		}
		_, err := w.Client.API.TransferLeadership(ctx, m.ID)
		return err
	})
	w.Ready()
}
