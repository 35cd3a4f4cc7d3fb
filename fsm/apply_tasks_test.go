package fsm

import (
	"reflect"
	"testing"

	"muster/task"
)

func TestSubmitToNowhereWaits(t *testing.T) {
	l := newLab(t)
	o := l.must(SubmitTask{Spec: expression()})
	l.wantEvents(o, "task 1 submitted")
	want := task.Task{ID: 1, Spec: expression(), Status: task.Pending, SubmittedAt: 1010, Index: 2}
	if got := l.task(1); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !reflect.DeepEqual(*o.Task, want) || o.Existing {
		t.Errorf("the outcome is %+v", o)
	}
	if !reflect.DeepEqual(*o.Events[0].Task, want) {
		t.Errorf("the event has %+v", o.Events[0].Task)
	}
}

func TestSubmitWithAPlaceIsInProgressAtOnce(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 1)
	o := l.must(SubmitTask{Spec: expression(), Assign: &place})
	l.wantEvents(o, "task 1 submitted, task 1 assigned")
	want := task.Task{
		ID: 1, Spec: expression(), Status: task.InProgress, Slave: "a", Incarnation: "a1", Attempt: 1,
		SubmittedAt: 1020, StartedAt: 1020, Index: 4,
	}
	if got := l.task(1); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	waits := task.Task{ID: 1, Spec: expression(), Status: task.Pending, SubmittedAt: 1020, Index: 4}
	if got := o.Events[0].Then(); !reflect.DeepEqual(*got, waits) || o.Events[0].Attempt != (task.Attempt{}) {
		t.Errorf("the first event is %+v, with %+v", o.Events[0], got)
	}
	if !reflect.DeepEqual(*o.Events[1].Task, want) || o.Events[1].Attempt != attemptOf(want) {
		t.Errorf("the second event is %+v", o.Events[1])
	}
	if got := l.slave().Busy; got != 1 {
		t.Errorf("the slave has %d busy slots", got)
	}
}

func TestEveryAssignmentIsChecked(t *testing.T) {
	spec := func(kind string) task.Spec { s := expression(); s.Kind = kind; return s }
	for _, c := range []struct {
		name  string
		place Place
		kind  string
		code  task.Code
	}{
		{"unknown slave", Place{"nobody", "a1"}, "once", task.CodeSlaveNotFound},
		{"lost slave", Place{"lost", "l1"}, "once", task.CodeSlaveNotAlive},
		{"slave that left", Place{"left", "e1"}, "once", task.CodeSlaveNotAlive},
		{"old incarnation", Place{"a", "a0"}, "once", task.CodeWrongIncarnation},
		{"kind that it does not run", Place{"a", "a1"}, "cooking", task.CodeNoSlaveForKind},
		{"full slave", Place{"full", "f1"}, "once", task.CodeSlaveFull},
	} {
		l := newLab(t)
		l.register("a", "a1", 1)
		full := l.register("full", "f1", 1)
		lost := l.register("lost", "l1", 1)
		left := l.register("left", "e1", 1)
		l.submit(once(), &full)
		l.must(LoseSlave{Place: lost, Reason: "silence"})
		l.must(LeaveSlave{Place: left})

		l.refused(c.code, SubmitTask{Spec: spec(c.kind), Key: "k", Assign: &c.place})
		if got := l.state.View().Counts().Submitted; got != 1 {
			t.Errorf("%s: %d tasks were submitted", c.name, got)
		}
		waiting := l.submit(spec(c.kind), nil)
		l.refused(c.code, AssignTask{Attempt: task.Attempt{
			ID: waiting.ID, Attempt: 1, Slave: c.place.Slave, Incarnation: c.place.Incarnation,
		}})
	}
}

func TestAssignWaitingTask(t *testing.T) {
	l := newLab(t)
	l.register("a", "a1", 2)
	l.submit(expression(), nil)
	a := task.Attempt{ID: 1, Attempt: 1, Slave: "a", Incarnation: "a1"}
	second := a
	second.Attempt = 2
	l.refused(task.CodeStaleAttempt, AssignTask{Attempt: second})
	l.refused(task.CodeTaskNotFound, AssignTask{Attempt: task.Attempt{ID: 2, Attempt: 1, Slave: "a", Incarnation: "a1"}})
	l.refused(task.CodeTaskNotFound, AssignTask{})

	l.wantEvents(l.must(AssignTask{Attempt: a}), "task 1 assigned")
	l.refused(task.CodeNotPending, AssignTask{Attempt: second})
	l.must(succeeded(a, "2"))
	l.refused(task.CodeNotPending, AssignTask{Attempt: second})
}

func TestKeyIsLookedUpBeforeCapacity(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 1)
	spec := expression()
	spec.Parameters = []task.Parameter{{Name: "x", Value: task.Value{Type: task.Number, Text: "1"}}}
	submit := SubmitTask{Spec: spec, Key: "key", Assign: &place}
	l.must(submit) // takes the only slot

	for _, status := range []task.Status{task.InProgress, task.Done} {
		if status == task.Done {
			l.must(succeeded(attemptOf(l.task(1)), "2"))
		}
		o := l.must(submit)
		if !reflect.DeepEqual(*o.Task, l.task(1)) || !o.Existing || o.Events != nil {
			t.Errorf("%s: the outcome is %+v", status, o)
		}
		if l.task(1).Status != status {
			t.Errorf("the task is %s", l.task(1).Status)
		}
	}
	if got, ok := l.state.View().TaskByKey("key"); !ok || got.ID != 1 {
		t.Errorf("by key: %+v, %v", got, ok)
	}
	if _, ok := l.state.View().TaskByKey("other"); ok {
		t.Error("an unknown key was found")
	}
	if _, ok := l.state.View().TaskByKey(""); ok {
		t.Error("no key was found")
	}
}

func TestAKeyIsForOneSpec(t *testing.T) {
	spec := filled[task.Spec](t)
	eachField(reflect.ValueOf(&spec).Elem(), "", func(path string, leaf reflect.Value) {
		l := newLab(t)
		l.must(SubmitTask{Spec: spec, Key: "key"})
		keep := reflect.New(leaf.Type()).Elem()
		keep.Set(leaf)
		alter(leaf)
		defer leaf.Set(keep)
		err := l.do(SubmitTask{Spec: spec, Key: "key"})[0].Err
		if err == nil || err.Code != task.CodeKeyReused || err.Task != 1 {
			t.Errorf("%s: it came to %v", path, err)
		}
	})
}

func TestKeysWithTheSameHashAreToldApart(t *testing.T) {
	l := newLab(t)
	l.must(SubmitTask{Spec: expression(), Key: "a"})
	l.must(SubmitTask{Spec: expression(), Key: "b"})
	keys := l.state.keys
	keys.add(keyEntry{hash: keys.hash("b"), id: 1}) // as if that were the hash of "a", too
	keys.add(keyEntry{hash: keys.hash("c"), id: 1})
	if got, ok := l.state.View().TaskByKey("b"); !ok || got.ID != 2 {
		t.Errorf("key b leads to task %d, %v", got.ID, ok)
	}
	if got, ok := l.state.View().TaskByKey("c"); ok {
		t.Errorf("key c leads to task %d", got.ID)
	}
}

func TestTasksWithoutAKeyAreAllDifferent(t *testing.T) {
	l := newLab(t)
	l.submit(expression(), nil)
	if got := l.submit(expression(), nil).ID; got != 2 {
		t.Errorf("the second task has the id %d", got)
	}
}

func TestCompletionCountsOnce(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 1)
	a := attemptOf(l.submit(expression(), &place))
	for _, wrong := range []task.Attempt{
		{ID: 1, Attempt: 2, Slave: "a", Incarnation: "a1"},
		{ID: 1, Attempt: 1, Slave: "b", Incarnation: "a1"},
		{ID: 1, Attempt: 1, Slave: "a", Incarnation: "a2"},
	} {
		l.refused(task.CodeStaleAttempt, succeeded(wrong, "2"))
		l.refused(task.CodeStaleAttempt, GiveUpAttempt{Attempt: wrong, Began: true})
	}
	l.refused(task.CodeTaskNotFound, succeeded(task.Attempt{ID: 2, Attempt: 1}, "2"))
	l.refused(task.CodeTaskNotFound, GiveUpAttempt{Attempt: task.Attempt{ID: 2, Attempt: 1}})

	l.wantEvents(l.must(succeeded(a, "2")), "task 1 done")
	done := l.task(1)
	if done.Outcome != task.Succeeded || done.Result.Text != "2" || done.Tries != 1 || done.FinishedAt != l.stamp || done.Index != l.state.View().Index() {
		t.Errorf("the task is %+v", done)
	}
	if got := l.slave().Busy; got != 0 {
		t.Errorf("the slave has %d busy slots", got)
	}

	l.wantEvents(l.must(succeeded(a, "2")), "") // told again: accepted again
	l.refused(task.CodeStaleAttempt, succeeded(a, "3"))
	l.refused(task.CodeStaleAttempt, GiveUpAttempt{Attempt: a, Began: true})
	if got := l.task(1); !reflect.DeepEqual(got, done) {
		t.Errorf("the done task became %+v", got)
	}
}

func TestRetryableFailureWaitsAgainUntilItsTriesAreUsed(t *testing.T) {
	l := newLab(t)
	l.register("a", "a1", 1)
	l.submit(expression(), nil)
	for try := uint32(1); try <= 3; try++ {
		a := task.Attempt{ID: 1, Attempt: try, Slave: "a", Incarnation: "a1"}
		l.must(AssignTask{Attempt: a})
		o := l.must(CompleteTask{Attempt: a, Result: task.Result{
			ID: 1, Attempt: try, Outcome: task.Failed, Error: "the executor died", Retryable: true,
		}})
		if try < 3 {
			l.wantEvents(o, "task 1 given up")
		} else {
			l.wantEvents(o, "task 1 done")
		}
		if o.Events[0].Attempt != a {
			t.Errorf("the event is of %+v", o.Events[0].Attempt)
		}
	}
	if got := l.task(1); got.Outcome != task.Failed || got.Tries != 3 || got.Error != "the executor died" {
		t.Errorf("the task is %+v", got)
	}
}

func TestGivenUpBeforeItBeganCountsNoTry(t *testing.T) {
	l := newLab(t)
	place := l.register("a", "a1", 1)
	a := attemptOf(l.submit(once(), &place))
	l.wantEvents(l.must(GiveUpAttempt{Attempt: a, Reason: "refused"}), "task 1 given up")
	if got := l.task(1); got.Status != task.Pending || got.Tries != 0 || got.Attempt != 1 {
		t.Errorf("the task is %+v", got)
	}
	if got := l.slave().Busy; got != 0 {
		t.Errorf("the slave has %d busy slots", got)
	}
}

func TestADeposedDispatchersVerdictIsRefused(t *testing.T) {
	l := newLab(t)
	submit := SubmitTask{Spec: expression()}
	outcomes := l.propose(
		Proposal{Term: l.term - 1, Command: submit},
		Proposal{Term: l.term + 1, Command: submit},
		Proposal{Term: l.term, Command: submit},
		Proposal{Command: submit},
	)
	for i, want := range []task.Code{task.CodeStaleTerm, task.CodeStaleTerm, "", ""} {
		got := task.Code("")
		if err := outcomes[i].Err; err != nil {
			got = err.Code
		}
		if got != want {
			t.Errorf("proposal %d came to %q; want %q", i, got, want)
		}
	}
	if got := l.state.View().Counts().Submitted; got != 2 {
		t.Errorf("%d tasks were submitted", got)
	}
}

func TestApplyPanicsWhenAnEntryComesTwice(t *testing.T) {
	s := New()
	s.Apply(5, 1, Envelope{})
	defer func() {
		if recover() == nil {
			t.Error("it did not")
		}
	}()
	s.Apply(5, 1, Envelope{})
}

func TestCancelEndsWhatIsNotDone(t *testing.T) {
	l := newLab(t)
	a := l.register("a", "1", 2)
	waiting := l.submit(expression(), nil)
	running := l.submit(expression(), &a)
	done := l.submit(expression(), &a)
	l.must(succeeded(attemptOf(done), "2"))

	l.wantEvents(l.must(CancelTask{ID: waiting.ID}), "task 1 stopped")
	o := l.must(CancelTask{ID: running.ID})
	l.wantEvents(o, "task 2 stopped")
	if e := o.Events[0]; e.Attempt != attemptOf(running) {
		t.Errorf("the attempt to stop is %+v", e.Attempt)
	}
	for _, id := range []task.ID{waiting.ID, running.ID} {
		got := l.task(id)
		if got.Status != task.Done || got.Outcome != task.Cancelled || got.Error == "" || got.FinishedAt == 0 {
			t.Errorf("task %d is %+v", id, got)
		}
		l.refused(task.CodeAlreadyDone, CancelTask{ID: id})
	}
	if busy := l.slave().Busy; busy != 0 {
		t.Errorf("%d slots are busy", busy)
	}
	l.refused(task.CodeStaleAttempt, succeeded(attemptOf(running), "2"))
	l.refused(task.CodeAlreadyDone, CancelTask{ID: done.ID})
	l.refused(task.CodeTaskNotFound, CancelTask{ID: 99})
	l.refused(task.CodeNotPending, AssignTask{Attempt: task.Attempt{ID: waiting.ID, Attempt: 1, Slave: "a", Incarnation: "1"}})
}
