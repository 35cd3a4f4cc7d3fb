package task

import (
	"reflect"
	"testing"
)

func pending() Task {
	return Task{
		ID: 7, Spec: Spec{Kind: KindExpression, Expression: "1+1", Idempotent: true, MaxTries: 2}, Key: "k",
		Status: Pending, SubmittedAt: 100,
	}
}

func place(attempt uint32) Attempt {
	return Attempt{ID: 7, Attempt: attempt, Slave: "a", Incarnation: "a1"}
}

func inProgress(t *testing.T) Task {
	t.Helper()
	moved, err := pending().Assign(place(1), 200)
	if err != nil {
		t.Fatal(err)
	}
	return moved
}

func succeed() Result { return Result{Outcome: Succeeded, Value: Value{Type: Number, Text: "2"}} }

func TestAssign(t *testing.T) {
	want := pending()
	want.Status, want.Slave, want.Incarnation, want.Attempt, want.StartedAt = InProgress, "a", "a1", 1, 200
	got := inProgress(t)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if current, ok := got.Current(); !ok || current != place(1) {
		t.Errorf("the current attempt is %+v, %v", current, ok)
	}
}

func TestStampsNeverRunBackwards(t *testing.T) {
	started, _ := pending().Assign(place(1), 50) // a leader whose clock is behind
	if started.StartedAt != 100 {
		t.Errorf("submitted at 100, started at %d", started.StartedAt)
	}
	done, _ := inProgress(t).Complete(place(1), succeed(), 150)
	if done.FinishedAt != 200 {
		t.Errorf("started at 200, finished at %d", done.FinishedAt)
	}
	lost, _ := inProgress(t).GiveUp(place(1), true, "gone", 250)
	lost, _ = lost.Assign(place(2), 120)
	lost, _ = lost.GiveUp(place(2), true, "gone", 110)
	if lost.StartedAt != 120 || lost.FinishedAt != 120 {
		t.Errorf("started at %d, finished at %d", lost.StartedAt, lost.FinishedAt)
	}
}

// TestWrongMovesChangeNothing tries every move that is not legal from where the
// task is.
func TestWrongMovesChangeNothing(t *testing.T) {
	waiting, running := pending(), inProgress(t)
	done, _ := running.Complete(place(1), succeed(), 300)
	other := map[string]Attempt{
		"another task":        {ID: 8, Attempt: 1, Slave: "a", Incarnation: "a1"},
		"another attempt":     {ID: 7, Attempt: 2, Slave: "a", Incarnation: "a1"},
		"another slave":       {ID: 7, Attempt: 1, Slave: "b", Incarnation: "a1"},
		"another incarnation": {ID: 7, Attempt: 1, Slave: "a", Incarnation: "a2"},
	}
	check := func(what string, before, after Task, err *Error, want Code) {
		t.Helper()
		if err == nil || err.Code != want {
			t.Errorf("%s: came to %v; want %s", what, err, want)
		}
		if !reflect.DeepEqual(after, before) {
			t.Errorf("%s: the task became %+v", what, after)
		}
		if want == CodeStaleAttempt && err != nil && err.Task != before.ID {
			t.Errorf("%s: the refusal names task %d", what, err.Task)
		}
	}
	for _, from := range []Task{running, done} {
		got, err := from.Assign(place(2), 400)
		check("assign when "+from.Status.String(), from, got, err, CodeNotPending)
	}
	for what, a := range map[string]Attempt{"another task": other["another task"], "attempt 0": place(0), "attempt 2": place(2)} {
		got, err := waiting.Assign(a, 400)
		check("assign "+what, waiting, got, err, CodeStaleAttempt)
	}
	for _, from := range []Task{waiting, done} {
		got, err := from.Complete(place(1), succeed(), 400)
		check("complete when "+from.Status.String(), from, got, err, CodeStaleAttempt)
		got, err = from.GiveUp(place(1), true, "gone", 400)
		check("give up when "+from.Status.String(), from, got, err, CodeStaleAttempt)
	}
	for what, a := range other {
		got, err := running.Complete(a, succeed(), 400)
		check("complete "+what, running, got, err, CodeStaleAttempt)
		got, err = running.GiveUp(a, true, "gone", 400)
		check("give up "+what, running, got, err, CodeStaleAttempt)
	}
}

func TestComplete(t *testing.T) {
	failure := func(retryable bool) Result {
		return Result{Outcome: Failed, Error: "no", Retryable: retryable}
	}
	for _, c := range []struct {
		name   string
		tries  uint32 // before
		result Result
		status Status
		want   Outcome
	}{
		{"success", 0, succeed(), Done, Succeeded},
		{"failure", 0, failure(false), Done, Failed},
		{"retryable failure with a try left", 0, failure(true), Pending, NoOutcome},
		{"retryable failure of the last try", 1, failure(true), Done, Failed},
		{"cancelled, whatever is retryable", 0, Result{Outcome: Cancelled, Retryable: true}, Done, Cancelled},
	} {
		from := inProgress(t)
		from.Tries = c.tries
		got, err := from.Complete(place(1), c.result, 300)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got.Status != c.status || got.Outcome != c.want || got.Tries != c.tries+1 {
			t.Errorf("%s: the task is %+v", c.name, got)
		}
		if c.status == Done && (got.Result != c.result.Value || got.Error != c.result.Error || got.FinishedAt != 300) {
			t.Errorf("%s: the done task is %+v", c.name, got)
		}
		if c.status == Pending && (got.Result != Value{} || got.Error != "" || got.FinishedAt != 0) {
			t.Errorf("%s: the waiting task is %+v", c.name, got)
		}
	}
}

func TestRepeats(t *testing.T) {
	running := inProgress(t)
	if running.Repeats(place(1), succeed()) {
		t.Error("a task in progress repeats")
	}
	done, _ := running.Complete(place(1), succeed(), 300)
	if !done.Repeats(place(1), succeed()) {
		t.Error("the accepted result does not repeat")
	}
	stale := place(1)
	stale.Incarnation = "a0"
	if done.Repeats(stale, succeed()) {
		t.Error("another incarnation's result repeats")
	}
	for _, r := range []Result{
		{Outcome: Failed, Value: Value{Type: Number, Text: "2"}},
		{Outcome: Succeeded, Value: Value{Type: Number, Text: "3"}},
		{Outcome: Succeeded, Value: Value{Type: String, Text: "2"}},
		{Outcome: Succeeded, Value: Value{Type: Number, Text: "2"}, Error: "x"},
	} {
		if done.Repeats(place(1), r) {
			t.Errorf("%+v repeats", r)
		}
	}
}

func TestGiveUp(t *testing.T) {
	for _, c := range []struct {
		name       string
		idempotent bool
		tries      uint32 // before
		began      bool
		status     Status
		outcome    Outcome
		after      uint32
		text       string
	}{
		{"never began", true, 0, false, Pending, NoOutcome, 0, ""},
		{"never began, not idempotent", false, 0, false, Pending, NoOutcome, 0, ""},
		{"never began after the last try", true, 2, false, Pending, NoOutcome, 2, ""},
		{"began, a try is left", true, 0, true, Pending, NoOutcome, 1, ""},
		{"began, no try is left", true, 1, true, Done, Failed, 2, "gone; no tries left (2 of 2)"},
		{
			"began, not idempotent", false, 0, true, Done, Lost, 1,
			"gone; the task may have run, and its kind is not idempotent, so it was not run again",
		},
	} {
		from := inProgress(t)
		from.Spec.Idempotent, from.Tries = c.idempotent, c.tries
		got, err := from.GiveUp(place(1), c.began, "gone", 300)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got.Status != c.status || got.Outcome != c.outcome || got.Tries != c.after || got.Error != c.text {
			t.Errorf("%s: the task is %+v", c.name, got)
		}
		if got.Attempt != 1 {
			t.Errorf("%s: the attempt is %d", c.name, got.Attempt)
		}
	}
}

// TestEveryTaskEnds gives a task up until it is done.
func TestEveryTaskEnds(t *testing.T) {
	x := pending()
	for attempt := uint32(1); x.Status != Done; attempt++ {
		if attempt > x.Spec.MaxTries {
			t.Fatalf("attempt %d of a task with %d tries", attempt, x.Spec.MaxTries)
		}
		var err *Error
		if x, err = x.Assign(place(attempt), 200); err != nil {
			t.Fatal(err)
		}
		if x, err = x.GiveUp(place(attempt), true, "gone", 300); err != nil {
			t.Fatal(err)
		}
	}
}
