package dispatch_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/task"
)

// bothWays runs a test with shared answers and with the original's literal
// question for every task.
func bothWays(t *testing.T, test func(w *world)) {
	t.Helper()
	for name, ttl := range map[string]time.Duration{"literal": 0, "with ttl": time.Second} {
		t.Run(name, func(t *testing.T) { inWorld(t, ttl, test) })
	}
}

// TestTheOriginalsTimeLine is the story of the original system: two slaves of
// one slot; the fourth task goes to the first slave once it has finished.
func TestTheOriginalsTimeLine(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		w.slave("A", 1)
		w.slave("B", 1)
		one := w.mustSubmit("7s")
		time.Sleep(time.Second)
		two, err := w.submit("20s", explained)
		if err != nil {
			t.Fatal(err)
		}
		if one.Slave != "A" || two.Task.Slave != "B" {
			t.Errorf("tasks went to %s and %s, want A and B", one.Slave, two.Task.Slave)
		}
		if got := answers(two.Asked); !slices.Equal(got, []string{"A: I am not available.", "B: I am available."}) {
			t.Errorf("dialogue: %v", got)
		}
		_, err = w.submit("1s")
		var refusal *task.Error
		if !errors.As(err, &refusal) || refusal.Code != task.CodeFullCapacity || *refusal.Capacity != (task.Capacity{Slaves: 2, Slots: 2, Busy: 2}) {
			t.Errorf("third task: %v, want full capacity with 2 of 2 slots busy", err)
		}
		time.Sleep(7 * time.Second)
		if four := w.mustSubmit("1s"); four.Slave != "A" || four.ID != 3 {
			t.Errorf("task %d went to %s, want the third recorded task on A", four.ID, four.Slave)
		}
		w.wantDone(one.ID, task.Succeeded, "A")
		if c := w.log.View().Counts(); c.Submitted != 3 {
			t.Errorf("%d tasks recorded, want 3: the refused one leaves nothing", c.Submitted)
		}
	})
}

func answers(asked []task.Asked) []string {
	var out []string
	for _, a := range asked {
		out = append(out, a.Slave+": "+a.Answer)
	}
	return out
}

func TestLiteralAsksOverTheWireForEveryTask(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		t := w.t
		w.slave("A", 1)
		w.slave("B", 1)
		before := w.wire.count("available http://A")
		w.mustSubmit("9s")
		_, _ = w.submit("9s")
		a, err := w.submit("9s", explained)
		if codeOf(err) != task.CodeFullCapacity {
			t.Errorf("third task: %v %v, want full capacity", a, err)
		}
		if asked := w.wire.count("available http://A") - before; asked != 3 {
			t.Errorf("A was asked %d times for 3 tasks", asked)
		}
	})
}

func TestFreshAnswersSpareQuestions(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		t := w.t
		s := w.slave("A", 64)
		before := w.wire.count("available http://A")
		for range 60 {
			w.mustSubmit("10ms")
		}
		if asked := w.wire.count("available http://A") - before; asked > 1 {
			t.Errorf("A was asked %d times for 60 tasks in one ttl", asked)
		}
		time.Sleep(time.Second)
		if s.mostAtOnce() > 64 {
			t.Errorf("%d tasks at once on 64 slots", s.mostAtOnce())
		}
	})
}

// TestManyAtOnceFillAllSlotsExactly submits more tasks than slots at the same
// moment: exactly as many as there are slots are taken, in registration order.
func TestManyAtOnceFillAllSlotsExactly(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		slaves := []*slave{w.slave("A", 3), w.slave("B", 1), w.slave("C", 4)}
		time.Sleep(2 * time.Second) // their first words are old by now
		var mu sync.Mutex
		var wg sync.WaitGroup
		got, full := map[string]int{}, 0
		for range 20 {
			wg.Go(func() {
				a, err := w.submit("5s")
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					got[a.Task.Slave]++
				case codeOf(err) == task.CodeFullCapacity:
					full++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got["A"] != 3 || got["B"] != 1 || got["C"] != 4 || full != 12 {
			t.Errorf("tasks by slave %v, %d refused; want A 3, B 1, C 4 and 12", got, full)
		}
		time.Sleep(6 * time.Second)
		for _, s := range slaves {
			if s.mostAtOnce() != s.slots {
				t.Errorf("%s ran %d at once, has %d slots", s.name, s.mostAtOnce(), s.slots)
			}
		}
		if c := w.log.View().Counts(); c.Done != 8 {
			t.Errorf("%d done, want 8", c.Done)
		}
	})
}

func TestASilentSlaveIsPassedOver(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.slave("B", 1)
		time.Sleep(2 * time.Second)
		a.set(func(s *slave) { s.silent = true })
		start := time.Now()
		got, err := w.submit("1s", explained)
		if err != nil || got.Task.Slave != "B" {
			t.Fatalf("submit: %+v, %v; want B", got, err)
		}
		if waited := time.Since(start); waited > 350*time.Millisecond {
			t.Errorf("waited %v for a silent slave", waited)
		}
		if lines := answers(got.Asked); !slices.Equal(lines, []string{"A: ", "B: I am available."}) {
			t.Errorf("dialogue: %q", lines)
		}
		time.Sleep(7 * time.Second)
		if rec, _ := w.log.View().Slave("A"); rec.State != task.SlaveLost {
			t.Errorf("A is %v after 7 s of silence, want lost", rec.State)
		}
		a.set(func(s *slave) { s.silent = false })
		if err := w.register(a); err != nil {
			t.Fatal(err)
		}
		if again := w.mustSubmit("1s"); again.Slave != "A" {
			t.Errorf("task went to %s, want A at its old place", again.Slave)
		}
	})
}

func TestALostSlavesTasksRunElsewhere(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 2)
		first := w.mustSubmit("9s")
		once := w.mustSubmit("9s", func(r *dispatch.Request) { r.Spec.Kind = "once" })
		time.Sleep(time.Second)
		b := w.slave("B", 2)
		a.set(func(s *slave) { s.silent, s.mute = true, true })
		time.Sleep(8 * time.Second)
		if got := w.task(first.ID); got.Status != task.InProgress || got.Slave != "B" || got.Attempt != 2 || got.Tries != 1 {
			t.Errorf("idempotent task: %+v, want attempt 2 on B after one try", got)
		}
		w.wantDone(once.ID, task.Lost, "A")
		time.Sleep(12 * time.Second)
		w.wantDone(first.ID, task.Succeeded, "B")
		// A comes back with its result of an attempt that was given up.
		a.set(func(s *slave) { s.silent, s.mute = false, false })
		time.Sleep(5 * time.Second)
		w.wantDone(first.ID, task.Succeeded, "B")
		w.wantDone(once.ID, task.Lost, "A")
		if b.runs()[first.ID] != 1 || b.runs()[once.ID] != 0 {
			t.Errorf("B ran %v", b.runs())
		}
	})
}

// TestALostSlaveThatWakesComesBack pauses a slave until it is given up. It comes
// back without registering, and what it still runs is stopped.
func TestALostSlaveThatWakesComesBack(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		once := w.mustSubmit("1h", func(r *dispatch.Request) { r.Spec.Kind = "once" }).ID
		time.Sleep(time.Second)
		a.set(func(s *slave) { s.silent = true })
		time.Sleep(20 * time.Second)
		w.wantDone(once, task.Lost, "A")
		a.set(func(s *slave) { s.silent = false })
		time.Sleep(20 * time.Second)
		if rec, _ := w.log.View().Slave("A"); rec.State != task.SlaveAlive {
			t.Errorf("A is %v, want alive", rec.State)
		}
		if got := w.mustSubmit("1s"); got.Slave != "A" {
			t.Errorf("task: %+v, want it on A", got)
		}
	})
}

// TestAnUnreachedSendCostsNoTry gives a task to a slave that dies before the
// send: nothing began, so no try is counted and nothing is lost.
func TestAnUnreachedSendCostsNoTry(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.slave("B", 1)
		hold := make(chan struct{})
		w.log.set(func(l *instantLog) { l.hold = hold })
		done := make(chan task.Task, 1)
		go func() {
			done <- w.mustSubmit("1s", func(r *dispatch.Request) { r.Spec.Kind = "once" })
		}()
		synctest.Wait() // its entry is on the way, for slave A
		a.set(func(s *slave) { s.refused = true })
		w.log.set(func(l *instantLog) { l.hold = nil })
		close(hold)
		id := (<-done).ID
		time.Sleep(3 * time.Second)
		w.wantDone(id, task.Succeeded, "B")
		if got := w.task(id); got.Attempt != 2 || got.Tries != 1 {
			t.Errorf("attempt %d, %d tries; want attempt 2 and one try", got.Attempt, got.Tries)
		}
	})
}

// TestALostAnswerIsAskedFor loses the answer to a send that arrived: the same
// attempt is sent again and runs once.
func TestALostAnswerIsAskedFor(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		a.set(func(s *slave) { s.loseReply = true })
		id := w.mustSubmit("2s", func(r *dispatch.Request) { r.Spec.Kind = "once" }).ID
		time.Sleep(4 * time.Second)
		w.wantDone(id, task.Succeeded, "A")
		if a.runs()[id] != 1 {
			t.Errorf("task ran %d times", a.runs()[id])
		}
		if sends := w.wire.count("send http://A"); sends != 2 {
			t.Errorf("%d sends, want 2", sends)
		}
	})
}

// TestARestartEndsTheOldIncarnationsTasks restarts a slave under its name.
func TestARestartEndsTheOldIncarnationsTasks(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 2)
		id := w.mustSubmit("9s").ID
		once := w.mustSubmit("9s", func(r *dispatch.Request) { r.Spec.Kind = "once" }).ID
		time.Sleep(time.Second)
		old := a.registration()
		a.restart()
		if err := w.register(a); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		w.wantDone(once, task.Lost, "A")
		if got := w.task(id); got.Status != task.InProgress || got.Incarnation != a.incarnation || got.Tries != 1 {
			t.Errorf("task: %+v, want it again on the new incarnation", got)
		}
		// A registration of the old incarnation comes late.
		if _, err := w.d.Register(t.Context(), old); codeOf(err) != task.CodeWrongIncarnation {
			t.Errorf("late registration: %v, want wrong_incarnation", err)
		}
		time.Sleep(12 * time.Second)
		w.wantDone(id, task.Succeeded, "A")
	})
}

// TestANewTermReattaches replaces the dispatcher while tasks run, one has
// finished unheard, and one was never sent.
func TestANewTermReattaches(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 3)
		running := w.mustSubmit("4s").ID
		finished := w.mustSubmit("100ms", func(r *dispatch.Request) { r.Spec.Kind = "once" }).ID
		time.Sleep(50 * time.Millisecond)
		a.set(func(s *slave) { s.mute = true })
		time.Sleep(time.Second)
		hold := make(chan struct{})
		w.log.set(func(l *instantLog) { l.hold = hold })
		go func() { _, _ = w.submit("100ms", func(r *dispatch.Request) { r.Spec.Kind = "once" }) }()
		synctest.Wait() // chosen and on its way into the log, which commits it at the very end
		a.set(func(s *slave) { s.silent = true })
		w.log.set(func(l *instantLog) { l.hold = nil })
		close(hold)
		w.depose()
		unsent := task.ID(3)
		a.set(func(s *slave) { s.silent = false })
		w.lead()
		time.Sleep(300 * time.Millisecond)
		w.wantDone(finished, task.Succeeded, "A")
		a.set(func(s *slave) { s.mute = false })
		time.Sleep(6 * time.Second)
		w.wantDone(unsent, task.Succeeded, "A")
		w.wantDone(running, task.Succeeded, "A")
		for id, n := range a.runs() {
			if n != 1 {
				t.Errorf("task %d ran %d times", id, n)
			}
		}
	})
}

// TestANewTermTakesNothingForUnbegun loses the slave before the new leader could
// ask it: what an earlier leader may have sent may have begun.
func TestANewTermTakesNothingForUnbegun(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 2)
		w.slave("B", 2)
		once := w.mustSubmit("9s", func(r *dispatch.Request) { r.Spec.Kind = "once" }).ID
		again := w.mustSubmit("9s").ID
		time.Sleep(time.Second)
		w.depose()
		a.set(func(s *slave) { s.refused, s.mute = true, true })
		w.lead()
		time.Sleep(3 * time.Second)
		if got := w.task(once); got.Status != task.InProgress || got.Attempt != 1 {
			t.Errorf("after 3 s: %+v, want it still on A: a full fresh time-out for every slave", got)
		}
		time.Sleep(5 * time.Second)
		w.wantDone(once, task.Lost, "A")
		if got := w.task(again); got.Slave != "B" || got.Tries != 1 {
			t.Errorf("idempotent task: %+v, want it on B after one try", got)
		}
	})
}

func TestADeposedDispatcherRefuses(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		w.slave("A", 2)
		// The log has moved on to a later term: what this one decides is refused.
		w.log.setTerm(w.term + 1)
		if _, err := w.submit("1s"); codeOf(err) != task.CodeNotLeader {
			t.Errorf("submit in a later term: %v, want not_leader", err)
		}
		old := w.d
		w.depose()
		if _, err := old.Submit(t.Context(), dispatch.Request{Spec: task.Spec{Kind: task.KindExpression, Expression: "1s"}}); codeOf(err) != task.CodeNotLeader {
			t.Errorf("submit after the end: %v, want not_leader", err)
		}
		if c := w.log.View().Counts(); c.Submitted != 0 {
			t.Errorf("%d tasks were recorded", c.Submitted)
		}
	})
}

func TestKeys(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		w.slave("A", 1)
		hold := make(chan struct{})
		w.log.set(func(l *instantLog) { l.hold = hold })
		// Ten at once with one key, on one slot: one task, nobody is told "full".
		var wg sync.WaitGroup
		ids := make([]task.ID, 10)
		created := make([]bool, 10)
		for i := range ids {
			wg.Go(func() {
				a, err := w.submit("5s", withKey)
				if err != nil {
					t.Error(err)
				}
				ids[i], created[i] = a.Task.ID, !a.Existing
			})
		}
		synctest.Wait()
		w.log.set(func(l *instantLog) { l.hold = nil })
		close(hold)
		wg.Wait()
		n := 0
		for i := range ids {
			if created[i] {
				n++
			}
			if ids[i] != 1 {
				t.Errorf("call %d got task %d", i, ids[i])
			}
		}
		if n != 1 {
			t.Errorf("%d calls say that they made the task", n)
		}
		// Known keys go before capacity, which is exhausted now.
		if a, err := w.submit("5s", withKey); err != nil || !a.Existing {
			t.Errorf("repeat: %+v, %v", a, err)
		}
		if _, err := w.submit("6s", withKey); codeOf(err) != task.CodeKeyReused {
			t.Errorf("another task with the key: %v, want key_reused", err)
		}
		w.depose()
		w.lead()
		if a, err := w.submit("5s", withKey); err != nil || a.Task.ID != 1 {
			t.Errorf("repeat in the next term: %+v, %v", a, err)
		}
	})
}

// TestALiarIsNotTakenAtItsWord has a slave that offers slots which it refuses.
func TestALiarIsNotTakenAtItsWord(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		liar := w.wire.start(w, "A", 1)
		r := liar.registration()
		r.Slots = 8 // says eight, has one
		if _, err := w.d.Register(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.slave("B", 8)
		for range 6 {
			w.mustSubmit("2s", func(r *dispatch.Request) { r.Spec.Kind = "once" })
		}
		time.Sleep(10 * time.Second)
		if c := w.log.View().Counts(); c.Done != 6 {
			t.Errorf("%d done, want 6", c.Done)
		}
		for id := task.ID(1); id <= 6; id++ {
			if got := w.task(id); got.Outcome != task.Succeeded || got.Tries != 1 {
				t.Errorf("task %d: %v after %d tries", id, got.Outcome, got.Tries)
			}
		}
		if sends := w.wire.count("send http://A"); sends > 50 {
			t.Errorf("%d sends to a slave that refuses", sends)
		}
		if liar.mostAtOnce() != 1 {
			t.Errorf("the liar ran %d at once", liar.mostAtOnce())
		}
	})
}

func TestOverloadedLogLosesNothing(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		w.slave("A", 2)
		w.log.set(func(l *instantLog) { l.refuse = task.Refuse(task.CodeOverloaded, "too much") })
		if _, err := w.submit("1s"); codeOf(err) != task.CodeOverloaded {
			t.Errorf("submit: %v, want overloaded", err)
		}
		w.log.set(func(l *instantLog) { l.refuse = nil })
		for range 2 {
			w.mustSubmit("1s") // both slots are free again
		}
	})
}

func TestAnUnknownFateIsSaidAndEndsTheDispatcher(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		w.slave("A", 2)
		w.log.set(func(l *instantLog) { l.refuse = errors.New("leadership lost") })
		if _, err := w.submit("1s"); codeOf(err) != task.CodeOutcomeUnknown {
			t.Errorf("submit: %v, want outcome_unknown", err)
		}
		if err := <-w.stopped; err == nil {
			t.Error("the dispatcher goes on with books that may be wrong")
		}
		w.stop = nil
	})
}

func TestLeavingKeepsThePlace(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.slave("B", 1)
		if _, err := w.d.Leave(t.Context(), "A", a.incarnation); err != nil {
			t.Fatal(err)
		}
		if got := w.mustSubmit("1s"); got.Slave != "B" {
			t.Errorf("task went to %s after A left", got.Slave)
		}
		a.restart()
		if err := w.register(a); err != nil {
			t.Fatal(err)
		}
		if got := w.mustSubmit("1s"); got.Slave != "A" {
			t.Errorf("task went to %s, want A", got.Slave)
		}
		if _, err := w.d.Leave(t.Context(), "Z", "x"); codeOf(err) != task.CodeSlaveNotFound {
			t.Errorf("leave of a stranger: %v", err)
		}
	})
}

func TestANameThatIsTaken(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		thief := w.wire.start(w, "elsewhere", 1)
		r := thief.registration()
		r.Name = "A"
		if _, err := w.d.Register(t.Context(), r); codeOf(err) != task.CodeNameTaken {
			t.Errorf("register: %v, want name_taken", err)
		}
		a.set(func(s *slave) { s.refused = true })
		if _, err := w.d.Register(t.Context(), r); err != nil {
			t.Errorf("register after the first is gone: %v", err)
		}
	})
}

func TestAnUnreachableRegistrationIsRefused(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		t := w.t
		s := w.wire.start(w, "A", 1)
		s.set(func(s *slave) { s.refused = true })
		if err := w.register(s); codeOf(err) != task.CodeSlaveUnreachable {
			t.Errorf("register: %v, want slave_unreachable", err)
		}
		if n := len(w.log.View().Slaves()); n != 0 {
			t.Errorf("%d slaves in the registry", n)
		}
	})
}

func TestAnUnchangedRegistrationWritesNothing(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		t := w.t
		s := w.slave("A", 1)
		before := w.log.View().Index()
		if err := w.register(s); err != nil {
			t.Fatal(err)
		}
		if after := w.log.View().Index(); after != before {
			t.Errorf("the log grew from %d to %d", before, after)
		}
	})
}

func TestNoSlaveForAKind(t *testing.T) {
	inWorld(t, time.Second, func(w *world) {
		t := w.t
		w.slave("A", 1)
		if _, err := w.submit("1s", func(r *dispatch.Request) { r.Spec.Kind = "film" }); codeOf(err) != task.CodeNoSlaveForKind {
			t.Errorf("submit: %v, want no_slave_for_kind", err)
		}
	})
}

// TestWaitingTasksGoFirst frees one slot while an older task is pending and new
// ones come in: the older task gets it.
func TestWaitingTasksGoFirst(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		a := w.slave("A", 1)
		w.slave("B", 1)
		old := w.mustSubmit("30s").ID
		w.mustSubmit("3s") // on B, until 3 s
		a.set(func(s *slave) { s.refused, s.mute = true, true })
		time.Sleep(2 * time.Second)
		a.restart() // not registered: only B is left
		w.mustFail("1s", task.CodeFullCapacity)
		for i := range 80 {
			time.Sleep(100 * time.Millisecond)
			if got := w.task(old); got.Slave == "B" {
				return
			}
			waits := w.task(old).Status == task.Pending
			if got, err := w.submit("1s"); err == nil && waits && w.task(old).Status == task.Pending {
				t.Fatalf("after %d tries task %d took a slot before task %d", i, got.Task.ID, old)
			}
		}
		t.Errorf("task %d never got a slot: %+v", old, w.task(old))
	})
}

func (w *world) mustFail(expression string, code task.Code) {
	w.t.Helper()
	if _, err := w.submit(expression); codeOf(err) != code {
		w.t.Errorf("submit: %v, want %s", err, code)
	}
}

// TestManyTasksAllEnd is a long mixed run: slaves restart, fall silent and lose
// answers while tasks come in; in the end every task is done, once.
func TestManyTasksAllEnd(t *testing.T) {
	bothWays(t, func(w *world) {
		t := w.t
		var slaves []*slave
		for i := range 5 {
			slaves = append(slaves, w.slave(fmt.Sprintf("s%d", i), 1+i))
		}
		accepted := 0
		for i := range 400 {
			s := slaves[(i/7)%5]
			switch i % 35 {
			case 5:
				s.set(func(s *slave) { s.loseReply = true })
			case 12:
				s.restart()
				if err := w.register(s); err != nil {
					t.Fatal(err)
				}
			case 20:
				s.set(func(s *slave) { s.silent = true })
			case 27:
				for _, s := range slaves {
					s.set(func(s *slave) { s.silent = false })
					_ = w.register(s)
				}
			case 33:
				w.depose()
				w.lead()
			}
			if _, err := w.submit(fmt.Sprintf("%dms", 50+i%200), func(r *dispatch.Request) { r.Spec.MaxTries = 50 }); err == nil {
				accepted++
			} else if codeOf(err) != task.CodeFullCapacity {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		for _, s := range slaves {
			s.set(func(s *slave) { s.silent = false })
			_ = w.register(s)
		}
		time.Sleep(20 * time.Second)
		c := w.log.View().Counts()
		if accepted < 100 || int(c.Done) != accepted || c.Pending+c.InProgress != 0 {
			t.Errorf("%d accepted; state counts %+v", accepted, c)
		}
		for _, rec := range w.log.View().Slaves() {
			if rec.Busy != 0 {
				t.Errorf("%s has %d busy slots at the end", rec.Name, rec.Busy)
			}
		}
		for _, s := range slaves {
			if s.mostAtOnce() > s.slots {
				t.Errorf("%s ran %d at once on %d slots", s.name, s.mostAtOnce(), s.slots)
			}
		}
	})
}
