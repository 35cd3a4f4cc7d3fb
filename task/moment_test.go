package task

import "testing"

func TestMoments(t *testing.T) {
	x := New(1, Spec{NotBefore: Moment{AfterMS: 50}, Deadline: Moment{At: 900}}, "", 100)
	if x.ReadyAt != 150 || x.DeadlineAt() != 900 {
		t.Errorf("ready at %d, deadline at %d", x.ReadyAt, x.DeadlineAt())
	}
	x = New(1, Spec{}, "", 100)
	if x.ReadyAt != 0 || x.DeadlineAt() != 0 {
		t.Errorf("no moments: ready at %d, deadline at %d", x.ReadyAt, x.DeadlineAt())
	}
}

func TestBackoffDoublesUpToItsBound(t *testing.T) {
	for _, c := range []struct {
		backoff int64
		tries   uint32
		want    Millis
	}{
		{0, 1, 0},
		{0, 40, 0},
		{1000, 1, 1000},
		{1000, 2, 2000},
		{1000, 5, 16_000},
		{1000, 13, MaxBackoffMS},
		{1, 100, MaxBackoffMS},
		{MaxBackoffMS, 1, MaxBackoffMS},
	} {
		x := Task{Spec: Spec{BackoffMS: c.backoff}, Tries: c.tries}
		if got := x.backoff(); got != c.want {
			t.Errorf("%d ms, after %d tries: %d; want %d", c.backoff, c.tries, got, c.want)
		}
	}
}

func TestEveryMoveToTheNextTryWaits(t *testing.T) {
	running := inProgress(t)
	running.Spec.BackoffMS = 30
	for name, move := range map[string]func() (Task, *Error){
		"a failure": func() (Task, *Error) {
			return running.Complete(place(1), Result{Outcome: Failed, Retryable: true}, 400)
		},
		"a lost slave": func() (Task, *Error) { return running.GiveUp(place(1), true, "gone", 400) },
	} {
		if got, err := move(); err != nil || got.Status != Pending || got.ReadyAt != 430 {
			t.Errorf("%s: %v, %+v", name, err, got)
		}
	}
	if got, _ := running.GiveUp(place(1), false, "refused", 400); got.ReadyAt != 0 {
		t.Errorf("what never began is ready at %d", got.ReadyAt)
	}
}
