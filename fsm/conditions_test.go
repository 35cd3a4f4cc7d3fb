package fsm

import (
	"testing"

	"muster/task"
)

func failed(a task.Attempt) CompleteTask {
	return CompleteTask{Attempt: a, Result: task.Result{
		ID: a.ID, Attempt: a.Attempt, Outcome: task.Failed, Error: "try again", Retryable: true,
	}}
}

func TestATaskIsReadyAfterItsMomentAndItsWaits(t *testing.T) {
	l := newLab(t)
	a := l.register("a", "1", 2)
	spec := expression()
	spec.NotBefore, spec.BackoffMS = task.Moment{AfterMS: 500}, 40

	submitted := l.submit(spec, &a)
	if want := submitted.SubmittedAt + 500; submitted.ReadyAt != want {
		t.Errorf("submitted at %d, ready at %d; want %d", submitted.SubmittedAt, submitted.ReadyAt, want)
	}
	for try, wait := range []task.Millis{40, 80} {
		l.must(failed(attemptOf(l.task(submitted.ID))))
		got := l.task(submitted.ID)
		if want := l.stamp + wait; got.Status != task.Pending || got.ReadyAt != want {
			t.Errorf("after try %d at %d: %s, ready at %d; want %d", try+1, l.stamp, got.Status, got.ReadyAt, want)
		}
		l.must(AssignTask{Attempt: task.Attempt{ID: got.ID, Attempt: got.Attempt + 1, Slave: "a", Incarnation: "1"}})
	}

	// What never began waits for nothing.
	never := l.submit(spec, &a)
	l.must(GiveUpAttempt{Attempt: attemptOf(never), Reason: "refused"})
	if got := l.task(never.ID); got.ReadyAt != never.ReadyAt {
		t.Errorf("refused by its slave it is ready at %d and was at %d", got.ReadyAt, never.ReadyAt)
	}
}

func TestExpireEndsWhatIsNotDone(t *testing.T) {
	l := newLab(t)
	a := l.register("a", "1", 2)
	waiting, running := l.submit(expression(), nil), l.submit(expression(), &a)
	again, done := l.submit(expression(), &a), l.submit(expression(), nil)
	l.must(failed(attemptOf(again)))
	l.must(CancelTask{ID: done.ID})

	errors := map[string]bool{}
	for id, a := range map[task.ID]task.Attempt{waiting.ID: {}, running.ID: attemptOf(running), again.ID: {}} {
		o := l.must(ExpireTask{ID: id})
		l.wantEvents(o, "task "+id.String()+" stopped")
		if o.Events[0].Attempt != a {
			t.Errorf("the attempt to stop is %+v; want %+v", o.Events[0].Attempt, a)
		}
		got := l.task(id)
		if got.Status != task.Done || got.Outcome != task.Expired || got.FinishedAt == 0 {
			t.Errorf("task %d is %+v", id, got)
		}
		errors[got.Error] = true
		l.refused(task.CodeAlreadyDone, ExpireTask{ID: id})
	}
	if len(errors) != 3 || errors[""] {
		t.Errorf("the three say %v; want three sentences", errors)
	}
	if busy := l.slave().Busy; busy != 0 {
		t.Errorf("%d slots are busy", busy)
	}
	l.refused(task.CodeStaleAttempt, succeeded(attemptOf(running), "2"))
	l.refused(task.CodeAlreadyDone, ExpireTask{ID: done.ID})
	l.refused(task.CodeTaskNotFound, ExpireTask{ID: 99})
}

func TestASlaveNeedsTheLabelsThatATaskRequires(t *testing.T) {
	l := newLab(t)
	r := registration("a", "1", 2)
	r.Labels, r.Version = []task.Label{{Name: "disk", Value: "ssd"}, {Name: "zone", Value: "b"}}, "1.2"
	l.must(RegisterSlave{Registration: r, InFull: true})
	l.wantEvents(l.must(RegisterSlave{Registration: r, InFull: true}), "")
	spec := expression()
	a := Place{Slave: "a", Incarnation: "1"}
	for _, missing := range []task.Label{{Name: "disk", Value: "tape"}, {Name: "rack", Value: "b"}} {
		spec.Requires = []task.Label{missing}
		l.refused(task.CodeLabelsMissing, SubmitTask{Spec: spec, Assign: &a})
		waiting := l.submit(spec, nil)
		l.refused(task.CodeLabelsMissing, AssignTask{Attempt: task.Attempt{ID: waiting.ID, Attempt: 1, Slave: "a", Incarnation: "1"}})
	}
	spec.Requires = r.Labels
	l.submit(spec, &a)

	r.Version = "1.3"
	l.wantEvents(l.must(RegisterSlave{Registration: r, InFull: true}), "slave a registered")
	r.Labels = nil
	l.wantEvents(l.must(RegisterSlave{Registration: r, InFull: true}), "slave a registered")
	if s := l.slave(); s.Version != "1.3" || s.Labels != nil || s.Busy != 1 {
		t.Errorf("it is %+v", s)
	}
}

func TestAKindHasOneMeaning(t *testing.T) {
	l := newLab(t)
	l.register("a", "1", 1)
	other := registration("b", "1", 1)
	other.Kinds = []task.Kind{{Name: task.KindExpression, Idempotent: true}, {Name: "once", Idempotent: true}}
	l.refused(task.CodeKindConflict, RegisterSlave{Registration: other, InFull: true})
	l.must(DrainSlave{Slave: "a"})
	l.refused(task.CodeKindConflict, RegisterSlave{Registration: other, InFull: true})

	// It may change its own mind, and who is gone does not count.
	own := registration("a", "2", 1)
	own.Kinds = other.Kinds
	l.must(RegisterSlave{Registration: own, InFull: true})
	l.must(RegisterSlave{Registration: other, InFull: true})
	l.must(LoseSlave{Place: Place{Slave: "a", Incarnation: "2"}, Reason: "silence"})
	l.must(LeaveSlave{Place: Place{Slave: "b", Incarnation: "1"}})
	l.must(RegisterSlave{Registration: registration("c", "1", 1), InFull: true})
	l.refused(task.CodeKindConflict, RegisterSlave{Registration: own, InFull: true})

	// The first version asked nobody; what it wrote must come to the same for ever.
	l.must(RegisterSlave{Registration: own})
}
