package slaves_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
	"muster/task"
)

// lookUp returns a task as the leader has it.
func lookUp(w *story.World, id uint64) client.Task {
	w.T.Helper()
	t, err := w.Observer.API.Task(w.T.Context(), id, client.ReadOptions{Linearizable: true})
	if err != nil {
		w.T.Fatal(err)
	}
	return t
}

// runsOn waits until a task is executed at a slave.
func runsOn(w *story.World, id uint64, slave string) {
	w.T.Helper()
	w.Await(fmt.Sprintf("task %d to run on %s", id, slave), func(context.Context) error {
		runs := w.Seen.Runs(id)
		if n := len(runs); n == 0 || runs[n-1].Slave != slave {
			return fmt.Errorf("it ran as %+v", runs)
		}
		return nil
	})
}

// wantEnd checks how a task ended.
func wantEnd(w *story.World, id uint64, outcome client.Outcome, slave string, attempt, tries uint32) {
	w.T.Helper()
	t := w.Client.Wait(id)
	if t.Outcome != outcome || t.Slave != slave || t.Attempt != attempt || t.Tries != tries {
		w.T.Errorf("task %d: %s on %s in attempt %d after %d tries (%s), want %s on %s in attempt %d after %d",
			id, t.Outcome, t.Slave, t.Attempt, t.Tries, t.Error, outcome, slave, attempt, tries)
	}
}

func TestATaskRunsElsewhereWhenItsSlaveDies(t *testing.T) {
	for name, end := range map[string]struct {
		come           func(*story.Slave)
		earliest, most time.Duration
	}{
		"dies": {(*story.Slave).Crash, 0, atOnce},
		// One that is silent has slave_timeout to come back.
		"vanishes": {(*story.Slave).Vanish, 4 * time.Second, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(3)
				first := w.Slave("slave-1", 1)
				w.Slave("slave-2", 1)
				id := w.Client.Submit(8 * time.Second).ID
				runsOn(w, id, "slave-1")
				end.come(first)
				at := time.Now()
				runsOn(w, id, "slave-2")
				if took := time.Since(at); took < end.earliest || took > end.most {
					w.T.Errorf("it took %v, want %v to %v", took, end.earliest, end.most)
				}
				wantEnd(w, id, client.Succeeded, "slave-2", 2, 2)
				first.Start()
				first.Registered()
				if got := w.Client.Submit(time.Second); got.Slave != "slave-1" {
					w.T.Errorf("a task went to %s, not to slave-1 at its old place", got.Slave)
				}
			})
		})
	}
}

func TestATaskThatKillsItsSlavesFailsWhenItsTriesAreUsedUp(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		slaves := map[string]*story.Slave{"slave-1": w.Slave("slave-1", 1), "slave-2": w.Slave("slave-2", 1)}
		j := w.Client.Sleeping(time.Minute)
		j.MaxTries = 3
		j.Want = evidence.Want{Outcome: client.Failed}
		id := w.Client.Put(j).Task.ID
		for n := 1; n <= 3; n++ {
			var runs []evidence.Run
			w.Await(fmt.Sprintf("execution %d", n), func(context.Context) error {
				if runs = w.Seen.Runs(id); len(runs) != n {
					return fmt.Errorf("%d executions", len(runs))
				}
				return nil
			})
			s := slaves[runs[n-1].Slave]
			s.Crash()
			s.Start()
			s.Registered() // the registry hears at once that the old one is gone
		}
		got := w.Client.Wait(id)
		if got.Outcome != client.Failed || got.Tries != 3 || got.Attempt != 3 || !strings.Contains(got.Error, "no tries left (3 of 3)") {
			w.T.Errorf("%+v", got)
		}
	})
}

// atQuestion submits a job of one slave, in the background, and returns when the
// slave has answered the question and its answer is under way.
func atQuestion(w *story.World, s *story.Scripted, j story.Job) *story.Started {
	w.T.Helper()
	answered := make(chan struct{}, 1)
	s.Answers(story.Asked, func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
		good.ServeHTTP(rw, r)
		select {
		case answered <- struct{}{}:
		default:
		}
	})
	w.Sleep(2 * time.Second) // no answer serves for so long
	submit := w.Client.Start(w.Client.API, j, 10*time.Second)
	<-answered
	s.Answers(story.Asked, nil)
	synctest.Wait() // its answer is on its way, but has not arrived
	return submit
}

// acknowledged waits for a submit in the background.
func acknowledged(w *story.World, s *story.Started) uint64 {
	w.T.Helper()
	<-s.Done
	if s.Err != nil {
		w.T.Fatalf("submit %s: %v", s.Job.Key, s.Err)
	}
	return s.Answer.Task.ID
}

// A slave restarts after it was chosen and before the send: the send is not for
// the new incarnation, and nobody waits for a time-out.
func TestARestartBetweenAssignmentAndSendMovesTheTaskAtOnce(t *testing.T) {
	for _, kind := range []string{task.KindExpression, story.Once} {
		for _, alone := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, alone %t", kind, alone), func(t *testing.T) {
				story.TellBothWays(t, func(w *story.World) {
					w.Formed(1)
					first := w.Script("slave-1", 1)
					first.Register()
					second := w.Script("slave-2", 1)
					if !alone {
						second.Register()
					}
					j := w.Client.Sleeping(time.Second)
					j.Kind = kind
					submit := atQuestion(w, first, j)
					first.Restart()
					at := time.Now()
					on := "slave-2"
					if alone {
						first.Register()
						on = "slave-1"
					}
					id := acknowledged(w, submit)
					runsOn(w, id, on)
					if took := time.Since(at); took > 500*time.Millisecond {
						w.T.Errorf("it took %v", took)
					}
					wantEnd(w, id, client.Succeeded, on, 2, 1)
					if runs := w.Seen.Runs(id); len(runs) != 1 || runs[0].Attempt != 2 {
						w.T.Errorf("runs %+v, want attempt 2 only", runs)
					}
				})
			})
		}
	}
}

// A slave is paused with a request on its socket, is given up, and wakes. What
// runs then is the old attempt, once; nobody wants its result; its slot is right
// again.
func TestAPausedSlaveThatWakesDoesNoHarm(t *testing.T) {
	for _, kind := range []string{task.KindExpression, story.Once} {
		t.Run(kind, func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(1)
				first := w.Script("slave-1", 1)
				first.Register()
				second := w.Script("slave-2", 1)
				second.Register()
				j := w.Client.Sleeping(3 * time.Second)
				j.Kind = kind
				if kind == story.Once {
					j.Want = evidence.Want{Outcome: client.Lost} // it may have run
				}
				submit := atQuestion(w, first, j)
				w.Sleep(300 * time.Microsecond) // the answer is there, the send is not
				w.Net.Block("m1", "slave-1")
				id := acknowledged(w, submit)
				first.Becomes(client.SlaveLost)
				if kind != story.Once {
					runsOn(w, id, "slave-2")
				}
				w.Net.PassAll()
				first.Becomes(client.SlaveAlive)
				w.Client.Wait(id)
				w.Sleep(5 * time.Second)
				if kind == story.Once {
					wantEnd(w, id, client.Lost, "slave-1", 1, 1)
					if n := len(w.Seen.Runs(id)); n > 1 {
						w.T.Errorf("it ran %d times", n)
					}
				} else {
					wantEnd(w, id, client.Succeeded, "slave-2", 2, 2)
				}
				if got := w.Client.Submit(time.Second); got.Slave != "slave-1" {
					w.T.Errorf("a task went to %s, not to slave-1, which is free", got.Slave)
				}
			})
		})
	}
}

// A refusal is final: an older request for the same attempt, still on the
// slave's socket, can't start it any more. Without the fence, a task that must
// run once would run twice.
func TestARefusedAttemptNeverStarts(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		first := w.Script("slave-1", 1)
		first.Register()
		w.Script("slave-2", 1).Register()

		release := make(chan struct{})
		var sends atomic.Int32
		first.Answers(story.Sent, func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
			if sends.Add(1) == 1 {
				occupy(first, r)
				<-release
			}
			good.ServeHTTP(rw, r)
		})
		// The leader must not learn what has the slot, or it has it stopped.
		first.Answers(story.Listed, func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) { rw.WriteHeader(http.StatusBadGateway) })
		j := w.Client.Sleeping(time.Second)
		j.Kind = story.Once
		id := w.Client.Put(j).Task.ID
		wantEnd(w, id, client.Succeeded, "slave-2", 2, 1)
		w.Sleep(5 * time.Second) // the slot is free again
		close(release)
		w.Sleep(5 * time.Second)
		if runs := w.Seen.Runs(id); len(runs) != 1 {
			w.T.Errorf("it ran %d times: %+v", len(runs), runs)
		}
	})
}

// occupy takes a slot for three seconds, in the place of a request.
func occupy(s *story.Scripted, r *http.Request) {
	var stamp task.Stamp
	if _, err := fmt.Sscan(r.Header.Get("Muster-Term")+" "+r.Header.Get("Muster-Sequence"), &stamp.Term, &stamp.Sequence); err != nil {
		s.W.T.Error(err)
	}
	order := task.Order{ID: 999, Attempt: 1, Kind: story.Unseen, Expression: "sleep(3)"}
	if receipts, _, err := s.Worker.Accept(stamp, s.Incarnation, []task.Order{order}); err != nil || receipts[0].Status != task.Accepted {
		s.W.T.Errorf("%+v, %v", receipts, err)
	}
}

// A leader's request is held back by the network, the leader dies, the next one
// re-attaches the attempt; then the old request arrives.
func TestADeadLeadersRequestComesTooLate(t *testing.T) {
	for _, kind := range []string{task.KindExpression, story.Once} {
		t.Run(kind, func(t *testing.T) {
			story.TellBothWays(t, func(w *story.World) {
				w.Formed(3)
				leader := w.Leader()
				first := w.Script("slave-1", 1)
				first.Register()
				j := w.Client.Sleeping(2 * time.Second)
				j.Kind = kind
				submit := atQuestion(w, first, j)
				w.Sleep(300 * time.Microsecond)
				w.Net.Block(leader.ID, "slave-1")
				id := acknowledged(w, submit)
				w.Sleep(100 * time.Millisecond)
				leader.Crash()
				runsOn(w, id, "slave-1")
				w.Sleep(time.Second)
				w.Net.PassAll() // while it runs
				wantEnd(w, id, client.Succeeded, "slave-1", 1, 1)
				w.Sleep(time.Second)
				if runs := w.Seen.Runs(id); len(runs) != 1 {
					w.T.Errorf("it ran %d times: %+v", len(runs), runs)
				}
			})
		})
	}
}

// Two leaders' requests arrive at once: the deposed one's, and the new one's for
// the slot that it thinks free. The slave judges its slots itself.
func TestTwoLeadersAtOnceDoNotOverbook(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(3)
		old := w.Leader()
		first := w.Script("slave-1", 1)
		first.Register()
		w.Script("slave-2", 1).Register()
		j := w.Client.Sleeping(2 * time.Second)
		submit := atQuestion(w, first, j)
		w.Sleep(300 * time.Microsecond)
		w.Net.Block(old.ID, "slave-1")
		id := acknowledged(w, submit)
		old.Alone()
		var next *story.Master
		w.Await("another leader", func(context.Context) error {
			if next = w.Leader(); next == old {
				return fmt.Errorf("%s still leads", old.ID)
			}
			return nil
		})
		others := w.Client.Of(w.Followers(old)...)
		var more []*story.Started
		for range 4 {
			more = append(more, w.Client.Start(others, w.Client.Sleeping(time.Second), 30*time.Second))
		}
		w.Net.Pass(old.ID, "slave-1")
		for _, m := range more {
			<-m.Done
			if m.Err != nil && story.Code(m.Err) != client.CodeFullCapacity {
				w.T.Errorf("submit: %v", m.Err)
			}
		}
		wantEnd(w, id, client.Succeeded, "slave-1", 1, 1)
	})
}

// A leader that thinks of more slots than there are sends more than fits. The
// slave takes what it has slots for, and the rest runs elsewhere or later, once.
func TestASlaveJudgesItsSlotsItself(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		first := w.Script("slave-1", 1)
		says := first.Registration()
		says.Slots = 3
		if err := first.Tries(says); err != nil {
			w.T.Fatal(err)
		}
		on(first, word(3, 3))
		w.Script("slave-2", 1).Register()
		var submits []*story.Started
		for range 3 {
			j := w.Client.Sleeping(time.Second)
			j.Kind = story.Once
			submits = append(submits, w.Client.Start(w.Client.API, j, 10*time.Second))
		}
		tasks := 0
		for _, s := range submits {
			<-s.Done
			if story.Code(s.Err) == client.CodeFullCapacity {
				continue
			}
			tasks++
			id := acknowledged(w, s)
			inTime(w, "overbooked", id, 20*time.Second)
			if runs := w.Seen.Runs(id); len(runs) != 1 {
				w.T.Errorf("task %d ran %d times", id, len(runs))
			}
		}
		if _, most := first.Called(time.Time{}, story.Sent); most == 0 || tasks < 2 {
			w.T.Errorf("%d tasks, %d sends in a second", tasks, most)
		}
	})
}

// Late answers: to a question, after its 250 ms; to a send, after its time-out.
func TestLateAnswersAreNoHarm(t *testing.T) {
	late := func(d time.Duration) story.Script {
		return func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
			good.ServeHTTP(rw, r)
			time.Sleep(d) // the answer is written when this returns
		}
	}
	t.Run("to a question", func(t *testing.T) {
		story.TellBothWays(t, func(w *story.World) {
			w.Formed(1)
			first := w.Script("slave-1", 1)
			first.Register()
			w.Slave("slave-2", 1)
			w.Sleep(2 * time.Second)
			first.Answers(story.Asked, late(300*time.Millisecond))
			at := time.Now()
			got := w.Client.Submit(time.Second)
			if took := time.Since(at); got.Slave != "slave-2" || took > 350*time.Millisecond {
				w.T.Errorf("the task went to %s after %v", got.Slave, took)
			}
			w.Client.Wait(got.ID)
			first.Behave()
			w.Sleep(2 * time.Second)
			if got = w.Client.Submit(time.Second); got.Slave != "slave-1" {
				w.T.Errorf("the task went to %s, and slave-1 is quick again", got.Slave)
			}
		})
	})
	t.Run("to a send", func(t *testing.T) {
		story.TellBothWays(t, func(w *story.World) {
			w.Formed(1)
			first := w.Script("slave-1", 1)
			first.Register()
			var sends atomic.Int32
			first.Answers(story.Sent, func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
				good.ServeHTTP(rw, r)
				if sends.Add(1) < 3 {
					time.Sleep(1200 * time.Millisecond)
				}
			})
			for _, kind := range []string{task.KindExpression, story.Once} {
				sends.Store(0)
				j := w.Client.Sleeping(8 * time.Second)
				j.Kind = kind
				wantEnd(w, w.Client.Put(j).Task.ID, client.Succeeded, "slave-1", 1, 1)
			}
		})
	})
}

// A slave that was called lost reports late: nobody wants the result, it lets go,
// and its slot is right again.
func TestALateReportIsRefusedAndTheSlaveLetsGo(t *testing.T) {
	story.TellBothWays(t, func(w *story.World) {
		w.Formed(1)
		first := w.Script("slave-1", 1)
		first.Register()
		w.Slave("slave-2", 1)
		id := w.Client.Submit(6 * time.Second).ID
		runsOn(w, id, "slave-1")
		w.Net.Block("m1", "slave-1")
		w.Net.Block("slave-1", "m1")
		first.Becomes(client.SlaveLost)
		runsOn(w, id, "slave-2")
		w.Sleep(2 * time.Second) // it has finished and can't report
		if held, _, err := first.Worker.Held(task.Stamp{}); err != nil || len(held) != 1 {
			w.T.Fatalf("slave-1 holds %+v, %v", held, err)
		}
		w.Net.PassAll()
		first.Becomes(client.SlaveAlive)
		w.Sleep(3 * time.Second)
		if held, word, err := first.Worker.Held(task.Stamp{}); err != nil || len(held) != 0 || word.Free != 1 {
			w.T.Errorf("slave-1 holds %+v, %+v, %v", held, word, err)
		}
		wantEnd(w, id, client.Succeeded, "slave-2", 2, 2)
		if got := w.Client.Submit(time.Second); got.Slave != "slave-1" {
			w.T.Errorf("a task went to %s, not to slave-1", got.Slave)
		}
	})
}
