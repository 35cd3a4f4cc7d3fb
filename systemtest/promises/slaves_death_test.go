package promises_test

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
	"muster/task"
)

// task returns a task as the leader has it.
func (w *world) task(id uint64) client.Task {
	w.t.Helper()
	t, err := w.observer.api.Task(w.t.Context(), id, client.ReadOptions{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// runsOn waits until a task is executed at a slave.
func (w *world) runsOn(id uint64, slave string) {
	w.t.Helper()
	w.await(fmt.Sprintf("task %d to run on %s", id, slave), func(context.Context) error {
		runs := w.seen.Runs(id)
		if n := len(runs); n == 0 || runs[n-1].Slave != slave {
			return fmt.Errorf("it ran as %+v", runs)
		}
		return nil
	})
}

// wantEnd checks how a task ended.
func (w *world) wantEnd(id uint64, outcome client.Outcome, slave string, attempt, tries uint32) {
	w.t.Helper()
	t := w.client.wait(id)
	if t.Outcome != outcome || t.Slave != slave || t.Attempt != attempt || t.Tries != tries {
		w.t.Errorf("task %d: %s on %s in attempt %d after %d tries (%s), want %s on %s in attempt %d after %d",
			id, t.Outcome, t.Slave, t.Attempt, t.Tries, t.Error, outcome, slave, attempt, tries)
	}
}

func TestATaskRunsElsewhereWhenItsSlaveDies(t *testing.T) {
	for name, die := range map[string]func(*slave){"dies": (*slave).crash, "vanishes": (*slave).vanish} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.formed(3)
				first := w.slave("slave-1", 1)
				w.slave("slave-2", 1)
				id := w.client.submit(8 * time.Second).ID
				w.runsOn(id, "slave-1")
				die(first)
				at := time.Now()
				w.runsOn(id, "slave-2")
				// A dead one is found by the next probe, and has slave_timeout to come back.
				if took := time.Since(at); took < 4*time.Second || took > 8*time.Second {
					w.t.Errorf("it took %v", took)
				}
				w.wantEnd(id, client.Succeeded, "slave-2", 2, 2)
				first.start()
				first.registered()
				if got := w.client.submit(time.Second); got.Slave != "slave-1" {
					w.t.Errorf("a task went to %s, not to slave-1 at its old place", got.Slave)
				}
			})
		})
	}
}

func TestATaskThatKillsItsSlavesFailsWhenItsTriesAreUsedUp(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		slaves := map[string]*slave{"slave-1": w.slave("slave-1", 1), "slave-2": w.slave("slave-2", 1)}
		j := w.client.sleeping(time.Minute)
		j.maxTries = 3
		j.want = evidence.Want{Outcome: client.Failed}
		id := w.client.put(j).Task.ID
		for n := 1; n <= 3; n++ {
			var runs []evidence.Run
			w.await(fmt.Sprintf("execution %d", n), func(context.Context) error {
				if runs = w.seen.Runs(id); len(runs) != n {
					return fmt.Errorf("%d executions", len(runs))
				}
				return nil
			})
			s := slaves[runs[n-1].Slave]
			s.crash()
			s.start()
			s.registered() // the registry hears at once that the old one is gone
		}
		got := w.client.wait(id)
		if got.Outcome != client.Failed || got.Tries != 3 || got.Attempt != 3 || !strings.Contains(got.Error, "no tries left (3 of 3)") {
			w.t.Errorf("%+v", got)
		}
	})
}

// atQuestion submits a job of one slave, in the background, and returns when the
// slave has answered the question and its answer is under way.
func (w *world) atQuestion(s *scripted, j job) *started {
	w.t.Helper()
	answered := make(chan struct{}, 1)
	s.answers(asked, func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
		good.ServeHTTP(rw, r)
		select {
		case answered <- struct{}{}:
		default:
		}
	})
	w.sleep(2 * time.Second) // no answer serves for so long
	submit := w.client.start(w.client.api, j, 10*time.Second)
	<-answered
	s.answers(asked, nil)
	synctest.Wait() // its answer is on its way, but has not arrived
	return submit
}

// acknowledged waits for a submit in the background.
func (w *world) acknowledged(s *started) uint64 {
	w.t.Helper()
	<-s.done
	if s.err != nil {
		w.t.Fatalf("submit %s: %v", s.job.key, s.err)
	}
	return s.answer.Task.ID
}

// A slave restarts after it was chosen and before the send: the send is not for
// the new incarnation, and nobody waits for a time-out.
func TestARestartBetweenAssignmentAndSendMovesTheTaskAtOnce(t *testing.T) {
	for _, kind := range []string{task.KindExpression, once} {
		for _, alone := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, alone %t", kind, alone), func(t *testing.T) {
				bothWays(t, func(w *world) {
					w.formed(1)
					first := w.script("slave-1", 1)
					first.register()
					second := w.script("slave-2", 1)
					if !alone {
						second.register()
					}
					j := w.client.sleeping(time.Second)
					j.kind = kind
					submit := w.atQuestion(first, j)
					first.restart()
					at := time.Now()
					on := "slave-2"
					if alone {
						first.register()
						on = "slave-1"
					}
					id := w.acknowledged(submit)
					w.runsOn(id, on)
					if took := time.Since(at); took > 500*time.Millisecond {
						w.t.Errorf("it took %v", took)
					}
					w.wantEnd(id, client.Succeeded, on, 2, 1)
					if runs := w.seen.Runs(id); len(runs) != 1 || runs[0].Attempt != 2 {
						w.t.Errorf("runs %+v, want attempt 2 only", runs)
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
	for _, kind := range []string{task.KindExpression, once} {
		t.Run(kind, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.formed(1)
				first := w.script("slave-1", 1)
				first.register()
				second := w.script("slave-2", 1)
				second.register()
				j := w.client.sleeping(3 * time.Second)
				j.kind = kind
				if kind == once {
					j.want = evidence.Want{Outcome: client.Lost} // it may have run
				}
				submit := w.atQuestion(first, j)
				w.sleep(300 * time.Microsecond) // the answer is there, the send is not
				w.net.Block("m1", "slave-1")
				id := w.acknowledged(submit)
				first.becomes(client.SlaveLost)
				if kind != once {
					w.runsOn(id, "slave-2")
				}
				w.net.PassAll()
				first.becomes(client.SlaveAlive)
				w.client.wait(id)
				w.sleep(5 * time.Second)
				if kind == once {
					w.wantEnd(id, client.Lost, "slave-1", 1, 1)
					if n := len(w.seen.Runs(id)); n > 1 {
						w.t.Errorf("it ran %d times", n)
					}
				} else {
					w.wantEnd(id, client.Succeeded, "slave-2", 2, 2)
				}
				if got := w.client.submit(time.Second); got.Slave != "slave-1" {
					w.t.Errorf("a task went to %s, not to slave-1, which is free", got.Slave)
				}
			})
		})
	}
}

// A refusal is final: an older request for the same attempt, still on the
// slave's socket, can't start it any more. Without the fence, a task that must
// run once would run twice.
func TestARefusedAttemptNeverStarts(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		first := w.script("slave-1", 1)
		first.register()
		w.script("slave-2", 1).register()

		release := make(chan struct{})
		var sends atomic.Int32
		first.answers(sent, func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
			if sends.Add(1) == 1 {
				first.occupy(r)
				<-release
			}
			good.ServeHTTP(rw, r)
		})
		// The leader must not learn what has the slot, or it has it stopped.
		first.answers(listed, func(rw http.ResponseWriter, _ *http.Request, _ http.Handler) { rw.WriteHeader(http.StatusBadGateway) })
		j := w.client.sleeping(time.Second)
		j.kind = once
		id := w.client.put(j).Task.ID
		w.wantEnd(id, client.Succeeded, "slave-2", 2, 1)
		w.sleep(5 * time.Second) // the slot is free again
		close(release)
		w.sleep(5 * time.Second)
		if runs := w.seen.Runs(id); len(runs) != 1 {
			w.t.Errorf("it ran %d times: %+v", len(runs), runs)
		}
	})
}

// occupy takes a slot for three seconds, in the place of a request.
func (s *scripted) occupy(r *http.Request) {
	var stamp task.Stamp
	if _, err := fmt.Sscan(r.Header.Get("Muster-Term")+" "+r.Header.Get("Muster-Sequence"), &stamp.Term, &stamp.Sequence); err != nil {
		s.w.t.Error(err)
	}
	order := task.Order{ID: 999, Attempt: 1, Kind: unseen, Expression: "sleep(3)"}
	if receipts, _, err := s.worker.Accept(stamp, s.incarnation, []task.Order{order}); err != nil || receipts[0].Status != task.Accepted {
		s.w.t.Errorf("%+v, %v", receipts, err)
	}
}

// A leader's request is held back by the network, the leader dies, the next one
// re-attaches the attempt; then the old request arrives.
func TestADeadLeadersRequestComesTooLate(t *testing.T) {
	for _, kind := range []string{task.KindExpression, once} {
		t.Run(kind, func(t *testing.T) {
			bothWays(t, func(w *world) {
				w.formed(3)
				leader := w.leader()
				first := w.script("slave-1", 1)
				first.register()
				j := w.client.sleeping(2 * time.Second)
				j.kind = kind
				submit := w.atQuestion(first, j)
				w.sleep(300 * time.Microsecond)
				w.net.Block(leader.id, "slave-1")
				id := w.acknowledged(submit)
				w.sleep(100 * time.Millisecond)
				leader.crash()
				w.runsOn(id, "slave-1")
				w.sleep(time.Second)
				w.net.PassAll() // while it runs
				w.wantEnd(id, client.Succeeded, "slave-1", 1, 1)
				w.sleep(time.Second)
				if runs := w.seen.Runs(id); len(runs) != 1 {
					w.t.Errorf("it ran %d times: %+v", len(runs), runs)
				}
			})
		})
	}
}

// Two leaders' requests arrive at once: the deposed one's, and the new one's for
// the slot that it thinks free. The slave judges its slots itself.
func TestTwoLeadersAtOnceDoNotOverbook(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(3)
		old := w.leader()
		first := w.script("slave-1", 1)
		first.register()
		w.script("slave-2", 1).register()
		j := w.client.sleeping(2 * time.Second)
		submit := w.atQuestion(first, j)
		w.sleep(300 * time.Microsecond)
		w.net.Block(old.id, "slave-1")
		id := w.acknowledged(submit)
		old.alone()
		var next *master
		w.await("another leader", func(context.Context) error {
			if next = w.leader(); next == old {
				return fmt.Errorf("%s still leads", old.id)
			}
			return nil
		})
		others := w.client.of(w.followers(old)...)
		var more []*started
		for range 4 {
			more = append(more, w.client.start(others, w.client.sleeping(time.Second), 30*time.Second))
		}
		w.net.Pass(old.id, "slave-1")
		for _, m := range more {
			<-m.done
			if m.err != nil && code(m.err) != client.CodeFullCapacity {
				w.t.Errorf("submit: %v", m.err)
			}
		}
		w.wantEnd(id, client.Succeeded, "slave-1", 1, 1)
	})
}

// A leader that thinks of more slots than there are sends more than fits. The
// slave takes what it has slots for, and the rest runs elsewhere or later, once.
func TestASlaveJudgesItsSlotsItself(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		first := w.script("slave-1", 1)
		says := first.registration()
		says.Slots = 3
		if err := first.tries(says); err != nil {
			w.t.Fatal(err)
		}
		first.on(word(3, 3))
		w.script("slave-2", 1).register()
		var submits []*started
		for range 3 {
			j := w.client.sleeping(time.Second)
			j.kind = once
			submits = append(submits, w.client.start(w.client.api, j, 10*time.Second))
		}
		tasks := 0
		for _, s := range submits {
			<-s.done
			if code(s.err) == client.CodeFullCapacity {
				continue
			}
			tasks++
			id := w.acknowledged(s)
			w.inTime("overbooked", id, 20*time.Second)
			if runs := w.seen.Runs(id); len(runs) != 1 {
				w.t.Errorf("task %d ran %d times", id, len(runs))
			}
		}
		if _, most := first.called(time.Time{}, sent); most == 0 || tasks < 2 {
			w.t.Errorf("%d tasks, %d sends in a second", tasks, most)
		}
	})
}

// Late answers: to a question, after its 250 ms; to a send, after its time-out.
func TestLateAnswersAreNoHarm(t *testing.T) {
	late := func(d time.Duration) script {
		return func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
			good.ServeHTTP(rw, r)
			time.Sleep(d) // the answer is written when this returns
		}
	}
	t.Run("to a question", func(t *testing.T) {
		bothWays(t, func(w *world) {
			w.formed(1)
			first := w.script("slave-1", 1)
			first.register()
			w.slave("slave-2", 1)
			w.sleep(2 * time.Second)
			first.answers(asked, late(300*time.Millisecond))
			at := time.Now()
			got := w.client.submit(time.Second)
			if took := time.Since(at); got.Slave != "slave-2" || took > 350*time.Millisecond {
				w.t.Errorf("the task went to %s after %v", got.Slave, took)
			}
			w.client.wait(got.ID)
			first.behave()
			w.sleep(2 * time.Second)
			if got = w.client.submit(time.Second); got.Slave != "slave-1" {
				w.t.Errorf("the task went to %s, and slave-1 is quick again", got.Slave)
			}
		})
	})
	t.Run("to a send", func(t *testing.T) {
		bothWays(t, func(w *world) {
			w.formed(1)
			first := w.script("slave-1", 1)
			first.register()
			var sends atomic.Int32
			first.answers(sent, func(rw http.ResponseWriter, r *http.Request, good http.Handler) {
				good.ServeHTTP(rw, r)
				if sends.Add(1) < 3 {
					time.Sleep(1200 * time.Millisecond)
				}
			})
			for _, kind := range []string{task.KindExpression, once} {
				sends.Store(0)
				j := w.client.sleeping(8 * time.Second)
				j.kind = kind
				w.wantEnd(w.client.put(j).Task.ID, client.Succeeded, "slave-1", 1, 1)
			}
		})
	})
}

// A slave that was called lost reports late: nobody wants the result, it lets go,
// and its slot is right again.
func TestALateReportIsRefusedAndTheSlaveLetsGo(t *testing.T) {
	bothWays(t, func(w *world) {
		w.formed(1)
		first := w.script("slave-1", 1)
		first.register()
		w.slave("slave-2", 1)
		id := w.client.submit(6 * time.Second).ID
		w.runsOn(id, "slave-1")
		w.net.Block("m1", "slave-1")
		w.net.Block("slave-1", "m1")
		first.becomes(client.SlaveLost)
		w.runsOn(id, "slave-2")
		w.sleep(2 * time.Second) // it has finished and can't report
		if held, _, err := first.worker.Held(task.Stamp{}); err != nil || len(held) != 1 {
			w.t.Fatalf("slave-1 holds %+v, %v", held, err)
		}
		w.net.PassAll()
		first.becomes(client.SlaveAlive)
		w.sleep(3 * time.Second)
		if held, word, err := first.worker.Held(task.Stamp{}); err != nil || len(held) != 0 || word.Free != 1 {
			w.t.Errorf("slave-1 holds %+v, %+v, %v", held, word, err)
		}
		w.wantEnd(id, client.Succeeded, "slave-2", 2, 2)
		if got := w.client.submit(time.Second); got.Slave != "slave-1" {
			w.t.Errorf("a task went to %s, not to slave-1", got.Slave)
		}
	})
}
