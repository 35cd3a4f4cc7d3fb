package dispatch_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

var errGarbage = errors.New("the answer is not one of a slave")

func ofKind(kind string) func(*dispatch.Request) {
	return func(r *dispatch.Request) { r.Spec.Kind = kind }
}

func (s *slave) lies(l lie) { s.set(func(s *slave) { s.lie = l }) }

// A slave that lives and garbles every answer to a send would keep its tasks for
// ever: it is never silent for long.
func TestSendsThatFailForLongEndTheAttempt(t *testing.T) {
	for name, err := range map[string]error{"garbage": errGarbage, "stale": task.ErrStaleStamp} {
		for _, kind := range []string{task.KindExpression, "once"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				bothWays(t, func(w *world) {
					a := w.slave("A", 4)
					a.lies(lie{fails: map[string]error{"send": err}})
					first := w.mustSubmit("1s", ofKind(kind))
					w.slave("B", 4)
					time.Sleep(10 * time.Millisecond)
					if got := w.mustSubmit("1s"); got.Slave != "B" {
						w.t.Errorf("task %d went to %s, whose sends are failing", got.ID, got.Slave)
					}
					time.Sleep(9 * time.Second)
					if kind == "once" && name == "garbage" {
						w.wantDone(first.ID, task.Lost, "A") // it may have run
					} else {
						w.wantDone(first.ID, task.Succeeded, "B")
					}
				})
			})
		}
	}
}

// A slave whose sends fail is given another chance ever more seldom, with one
// task, and all that it has slots for once it has used one.
func TestASlaveThatFailsIsTriedSeldom(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 4)
		w.slave("B", 4)
		a.lies(lie{fails: map[string]error{"send": errGarbage}})
		const tasks = 100
		on := map[string]int{}
		for range tasks {
			on[w.mustSubmit("100ms").Slave]++
			time.Sleep(time.Second)
		}
		if on["A"] > 6 {
			t.Errorf("%d of %d tasks went to a slave that garbles every send", on["A"], tasks)
		}
		time.Sleep(40 * time.Second)
		if c := w.log.View().Counts(); c.Done != tasks {
			t.Errorf("%+v, want %d done", c, tasks)
		}
		a.lies(lie{})
		if got := w.mustSubmit("5s"); got.Slave != "A" {
			t.Errorf("a task went to %s, and A was not tried for long", got.Slave)
		}
		time.Sleep(10 * time.Millisecond)
		var all sync.WaitGroup
		hold := make(chan struct{})
		w.log.set(func(l *instantLog) { l.hold = hold })
		for range 3 {
			all.Go(func() {
				if got, err := w.submit("5s"); err != nil || got.Task.Slave != "A" {
					t.Errorf("a task went to %s (%v), and A does right again", got.Task.Slave, err)
				}
			})
		}
		synctest.Wait()
		w.log.set(func(l *instantLog) { l.hold = nil })
		close(hold)
		all.Wait()
	})
}

// A slave that has seen a stamp beyond this leader's answers nothing else any
// more. What it holds must not wait for it.
func TestASlaveThatTakesEveryRequestForAnOldOneIsLost(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 2)
		first := w.mustSubmit("1h")
		time.Sleep(time.Second)
		w.slave("B", 2)
		if _, err := a.worker.Available(task.Stamp{Term: 1 << 60}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second)
		if rec, _ := w.log.View().Slave("A"); rec.State != task.SlaveLost {
			t.Errorf("A is %v, want lost", rec.State)
		}
		if got := w.task(first.ID); got.Slave != "B" || got.Attempt != 2 {
			t.Errorf("%+v, want attempt 2 on B", got)
		}
	})
}

// One overtaken question is no refusal: it is asked again.
func TestAnOvertakenQuestionIsAskedAgain(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		w.slave("A", 1)
		time.Sleep(2 * time.Second)
		stale := 1
		w.wire.before(func(call string) error {
			if call == "available" && stale > 0 {
				stale--
				return task.ErrStaleStamp
			}
			return nil
		})
		if got, err := w.submit("1s"); err != nil || got.Task.Slave != "A" {
			t.Errorf("submit: %+v, %v; want A", got.Task, err)
		}
		stale = 100
		time.Sleep(3 * time.Second)
		since := w.wire.count("available http://A")
		w.mustFail("1s", task.CodeFullCapacity)
		if n := w.wire.count("available http://A") - since; n > 2 {
			t.Errorf("asked %d times for one task", n)
		}
	})
}

// Words that are older than one heard already say nothing; asking again and again
// would not make them newer.
func TestACounterThatGoesBackIsNotAskedInALoop(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.slave("B", 50)
		counter := uint64(1000)
		a.lies(lie{word: func(x *task.Availability) {
			counter--
			x.Counter = counter
		}})
		w.mustSubmit("1ms")
		for range 20 {
			time.Sleep(2 * time.Second)
			before, start := w.wire.count("available http://A"), time.Now()
			w.mustSubmit("1ms")
			if n := w.wire.count("available http://A") - before; n > 2 {
				t.Fatalf("asked %d times for one task", n)
			}
			if took := time.Since(start); took > 10*time.Millisecond {
				t.Errorf("the submit took %v", took)
			}
		}
	})
}

// A word that is on its way for long must not count more than a newer one.
func TestAnOldWordDoesNotBeatANewerOne(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		a := w.slave("A", 1)
		word := task.Availability{Incarnation: a.incarnation, Counter: 9, Free: 0, Slots: 1}
		old := task.Availability{Incarnation: a.incarnation, Counter: 8, Free: 1, Slots: 1}
		other := task.Availability{Incarnation: "another", Counter: 10, Free: 1, Slots: 1}
		for _, x := range []task.Availability{word, old, other} {
			if err := w.heard("A", x); err != nil {
				w.t.Fatal(err)
			}
		}
		w.mustFail("1s", task.CodeFullCapacity)
	})
}

// What a slave refuses it is offered less and less.
func TestARefusingSlaveIsOfferedLessAndLess(t *testing.T) {
	for _, reason := range []string{task.ReasonNoSlot, task.ReasonDraining, task.ReasonUnknownKind, "mood"} {
		t.Run(reason, func(t *testing.T) {
			bothWays(t, func(w *world) {
				t := w.t
				a := w.slave("A", 100)
				w.slave("B", 2)
				a.worker.Drain(w.t.Context()) //nolint:errcheck // nothing runs
				a.lies(lie{
					word: func(x *task.Availability) { x.Free, x.Slots = 100, 100 },
					receipts: func(rs []task.Receipt) {
						for i := range rs {
							rs[i].Reason = reason
						}
					},
				})
				hold := make(chan struct{}) // until it has offered slots for all
				w.log.set(func(l *instantLog) { l.hold = hold })
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() {
						if _, err := w.submit("1s", ofKind("once")); err != nil {
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				w.log.set(func(l *instantLog) { l.hold = nil })
				close(hold)
				all.Wait()
				time.Sleep(30 * time.Second)
				if c := w.log.View().Counts(); c.Done != 20 {
					t.Errorf("%+v, want 20 done", c)
				}
				for id := task.ID(1); id <= 20; id++ {
					if got := w.task(id); got.Outcome != task.Succeeded || got.Tries != 1 {
						t.Errorf("task %d: %v after %d tries, %d attempts", id, got.Outcome, got.Tries, got.Attempt)
					}
				}
				if n := w.wire.count("send http://A"); n > 20 {
					t.Errorf("%d sends to a slave that refuses", n)
				}
				if grown := w.log.View().Index(); grown > 150 {
					t.Errorf("%d entries for 20 tasks", grown)
				}
			})
		})
	}
}

// A slave that accepts and forgets is not asked to accept for ever.
func TestAnAttemptThatIsForgottenIsGivenUp(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 2)
		a.set(func(s *slave) { s.mute = true })
		a.lies(lie{
			held: func([]task.Held) []task.Held { return nil },
			receipts: func(rs []task.Receipt) {
				for i := range rs {
					rs[i] = task.Receipt{ID: rs[i].ID, Attempt: rs[i].Attempt, Status: task.Accepted}
				}
			},
		})
		first := w.mustSubmit("1h")
		once := w.mustSubmit("1h", ofKind("once"))
		time.Sleep(500 * time.Millisecond)
		w.slave("B", 2)
		time.Sleep(10 * time.Second)
		if got := w.task(first.ID); got.Slave != "B" || got.Tries != 1 {
			t.Errorf("%+v, want it on B after one try", got)
		}
		w.wantDone(once.ID, task.Lost, "A")
		if n := w.wire.count("send http://A"); n > 6 {
			t.Errorf("%d sends", n)
		}
	})
}

// A slave that lists attempts without end is not told to cancel without end.
func TestBogusAttemptsAreCancelledWithinReason(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 2)
		first := w.mustSubmit("20s")
		a.lies(lie{held: func(hs []task.Held) []task.Held {
			for i := range 5000 {
				hs = append(hs, task.Held{ID: task.ID(1000 + i), Attempt: 1})
			}
			return hs
		}})
		time.Sleep(25 * time.Second)
		w.wantDone(first.ID, task.Succeeded, "A")
		if n := w.wire.count("cancel http://A"); n > 2*25 || n == 0 {
			t.Errorf("%d cancels in 25 s at two slots", n)
		}
		if got, err := w.submit("1s"); err != nil {
			t.Errorf("submit: %+v, %v", got, err)
		}
	})
}

// A lost slave that reports lives. Its reports must not put off the question that
// brings it back.
func TestALostSlaveThatReportsComesBackAtOnce(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.mustSubmit("1h")
		time.Sleep(time.Second)
		a.set(func(s *slave) { s.silent = true })
		time.Sleep(10 * time.Second)
		if rec, _ := w.log.View().Slave("A"); rec.State != task.SlaveLost {
			t.Fatalf("A is %v, want lost", rec.State)
		}
		a.set(func(s *slave) { s.silent = false })
		for range 4 {
			w.heard("A", task.Availability{Incarnation: a.incarnation, Counter: 1, Slots: 1}) //nolint:errcheck // the outcome is checked
			time.Sleep(500 * time.Millisecond)
		}
		if rec, _ := w.log.View().Slave("A"); rec.State != task.SlaveAlive {
			t.Errorf("A is %v, want alive: it reported", rec.State)
		}
	})
}

// A kind has one meaning among the slaves that are present. One that is lost may
// come back with another: the careful one is right, as it may be the one that
// runs the task.
func TestAKindIsIdempotentIfAllSlavesSaySo(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		careful := w.slave("A", 4)
		bold := w.wire.start(w, "B", 4).registration()
		bold.Kinds = []task.Kind{{Name: task.KindExpression, Idempotent: true}, {Name: "once", Idempotent: true}}
		register := func(r task.Registration, want task.Code) {
			t.Helper()
			if _, err := w.d.Register(t.Context(), r); codeOf(err) != want || err != nil && want == "" {
				t.Fatalf("%s is refused with %v, want %q", r.Name, err, want)
			}
		}
		want := func(idempotent bool) {
			t.Helper()
			if got := w.mustSubmit("1ms", ofKind("once")); got.Spec.Idempotent != idempotent {
				t.Errorf("task %d: idempotent %t, want %t", got.ID, got.Spec.Idempotent, idempotent)
			}
			time.Sleep(10 * time.Millisecond)
		}
		register(bold, task.CodeKindConflict)
		careful.set(func(s *slave) { s.silent = true })
		time.Sleep(40 * time.Second) // A is lost
		register(bold, "")
		want(false)
		w.depose()
		w.lead()
		want(false)
		careful.set(func(s *slave) { s.silent = false })
		register(careful.registration(), task.CodeKindConflict)
		if _, err := w.d.Leave(t.Context(), "A", careful.incarnation); err != nil {
			t.Fatal(err)
		}
		want(true)
		changed := careful.registration()
		changed.Kinds = bold.Kinds
		register(changed, "")
		want(true)
	})
}

// A task that waits goes before a new one of another kind, too: here, before one
// whose question was under way when the slot became free.
func TestAWaitingTaskGoesBeforeANewOneOfAnotherKind(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.slave("B", 1)
		old := w.mustSubmit("30s").ID          // on A
		w.mustSubmit("3010ms", ofKind("once")) // on B
		a.set(func(s *slave) { s.refused, s.mute = true, true })
		time.Sleep(time.Second)
		a.restart() // not registered: only B is left
		a.set(func(s *slave) { s.refused = false })
		w.wire.before(func(call string) error {
			if call == "available" {
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		})
		for start := time.Now(); time.Since(start) < 4*time.Second; {
			time.Sleep(time.Millisecond)
			got, err := w.submit("1s", ofKind("once"))
			if w.task(old).Slave == "B" {
				return
			}
			if err == nil {
				t.Fatalf("task %d took a slot before task %d", got.Task.ID, old)
			}
		}
		t.Errorf("task %d never got a slot: %+v", old, w.task(old))
	})
}

// Two commands that end an incarnation are under way, and the first is refused.
// The second has named already what has begun: nothing may begin now.
func TestNothingBeginsWhileARegistrationIsUnderWay(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		hold := func() chan struct{} {
			c := make(chan struct{})
			w.log.set(func(l *instantLog) { l.hold = c })
			return c
		}
		assignment := hold()
		var all sync.WaitGroup
		all.Go(func() { w.mustSubmit("10s", ofKind("once")) }) // waits to be committed
		time.Sleep(100 * time.Millisecond)
		loss := hold()
		a.set(func(s *slave) { s.silent, s.mute = true, true })
		time.Sleep(50 * time.Second) // idle slaves are asked every 30 s
		next := w.wire.start(w, "elsewhere", 1)
		next.name = "A"
		next.restart()
		registration := hold()
		all.Go(func() {
			if err := w.register(next); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(5 * time.Second)
		a.set(func(s *slave) { s.silent = false })
		close(assignment) // the log takes the registration now, which is held in its turn
		time.Sleep(10 * time.Millisecond)
		w.log.set(func(l *instantLog) { l.refuse = task.Refuse(task.CodeOverloaded, "too much") })
		close(loss)
		time.Sleep(10 * time.Millisecond)
		w.log.set(func(l *instantLog) { l.refuse = nil })
		time.Sleep(100 * time.Millisecond)
		close(registration)
		all.Wait()
		time.Sleep(20 * time.Second)
		if n := a.runs()[1] + next.runs()[1]; n != 1 {
			t.Errorf("a task that may run once ran %d times", n)
		}
		w.wantDone(1, task.Succeeded, "A")
	})
}

// What may run once is not sent again to a slave that has forgotten it: it would
// start it anew.
func TestAnAttemptThatMayRunOnceIsNotSentToWhoForgotIt(t *testing.T) {
	bothWays(t, func(w *world) {
		a := w.slave("A", 1)
		a.lies(lie{held: func([]task.Held) []task.Held { return nil }})
		id := w.mustSubmit("1h", ofKind("once")).ID
		time.Sleep(10 * time.Second)
		w.wantDone(id, task.Lost, "A")
		if n := w.wire.count("send http://A"); n != 1 {
			w.t.Errorf("%d sends, want 1", n)
		}
	})
}
