package task

import "strconv"

// The legal moves of a task. Each returns the moved task; a refusal leaves the
// receiver as it was. Where a move needs the slave's state (alive, free slot),
// the state machine checks that.
//
//	pending ──Assign──▶ in_progress ──Complete──▶ done
//	   ▲                    │
//	   └──────GiveUp────────┘ (or ──▶ done, when no try is left)
//
//	pending, in_progress ──Cancel, Expire──▶ done

// New returns a task that was submitted at an instant.
func New(id ID, spec Spec, key string, at Millis) Task {
	return Task{ID: id, Spec: spec, Key: key, Status: Pending, SubmittedAt: at, ReadyAt: spec.NotBefore.From(at)}
}

// Assign starts the next attempt on an incarnation of a slave.
func (t Task) Assign(a Attempt, at Millis) (Task, *Error) {
	if t.Status != Pending {
		return t, Refuse(CodeNotPending, "task "+t.ID.String()+" is "+t.Status.String()+"; only a pending task can be assigned")
	}
	if a.ID != t.ID || a.Attempt != t.Attempt+1 {
		return t, stale(t, a)
	}
	t.Status = InProgress
	t.Attempt, t.Slave, t.Incarnation = a.Attempt, a.Slave, a.Incarnation
	t.StartedAt = max(t.SubmittedAt, at)
	return t, nil
}

// Complete ends the current attempt with a result. A retryable failure with
// tries left goes back to pending; everything else is done.
func (t Task) Complete(a Attempt, r Result, at Millis) (Task, *Error) {
	if cur, ok := t.Current(); !ok || cur != a {
		return t, stale(t, a)
	}
	t.Tries++
	if r.Outcome == Failed && r.Retryable && t.Tries < t.Spec.MaxTries {
		t.tryAgain(at)
		return t, nil
	}
	t.finish(r.Outcome, at)
	t.Result, t.Error = r.Value, r.Error
	return t, nil
}

// Repeats reports whether the task was ended by exactly this result, so that
// telling it again is answered as accepted.
func (t *Task) Repeats(a Attempt, r Result) bool {
	return t.Status == Done &&
		a == Attempt{ID: t.ID, Attempt: t.Attempt, Slave: t.Slave, Incarnation: t.Incarnation} &&
		t.Outcome == r.Outcome && t.Result == r.Value && t.Error == r.Error
}

// GiveUp ends the current attempt without a result, because of reason. If the
// execution may have begun, it counts as a try: an idempotent task goes back to
// pending while tries are left and fails after that, any other is lost. If it
// never began, the task goes back to pending.
func (t Task) GiveUp(a Attempt, began bool, reason string, at Millis) (Task, *Error) {
	if cur, ok := t.Current(); !ok || cur != a {
		return t, stale(t, a)
	}
	if !began {
		t.Status = Pending
		return t, nil
	}
	t.Tries++
	switch {
	case !t.Spec.Idempotent:
		t.finish(Lost, at)
		t.Error = reason + "; the task may have run, and its kind is not idempotent, so it was not run again"
	case t.Tries >= t.Spec.MaxTries:
		t.finish(Failed, at)
		t.Error = reason + "; no tries left (" + strconv.FormatUint(uint64(t.Tries), 10) + " of " + strconv.FormatUint(uint64(t.Spec.MaxTries), 10) + ")"
	default:
		t.tryAgain(at)
	}
	return t, nil
}

// Cancel ends a task that is not done, whatever becomes of its attempt. Its error
// says that it was cancelled.
func (t Task) Cancel(at Millis) (Task, *Error) {
	if t.Status == Done {
		err := Refuse(CodeAlreadyDone, "task "+t.ID.String()+" is done ("+t.Outcome.String()+") and can't be cancelled any more")
		err.Task = t.ID
		return t, err
	}
	t.finish(Cancelled, at)
	t.Error = "cancelled by a client"
	return t, nil
}

// Expire ends a task that is not done, because its deadline has passed. The leader
// has judged that it has.
func (t Task) Expire(at Millis) (Task, *Error) {
	switch {
	case t.Status == Done:
		err := Refuse(CodeAlreadyDone, "task "+t.ID.String()+" is done ("+t.Outcome.String()+") and can't expire any more")
		err.Task = t.ID
		return t, err
	case t.Status == InProgress:
		t.Error = "the deadline passed while it was in progress"
	case t.Attempt > 0:
		t.Error = "the deadline passed while it waited for its next attempt"
	default:
		t.Error = "the deadline passed before a slave could take it"
	}
	t.finish(Expired, at)
	return t, nil
}

// tryAgain makes the task pending after a try, for the next one.
func (t *Task) tryAgain(at Millis) {
	t.Status = Pending
	if wait := t.backoff(); wait > 0 {
		t.ReadyAt = at + wait
	}
}

func (t *Task) finish(o Outcome, at Millis) {
	t.Status, t.Outcome = Done, o
	t.FinishedAt = max(t.SubmittedAt, t.StartedAt, at)
}

func stale(t Task, a Attempt) *Error {
	e := Refuse(CodeStaleAttempt, "attempt "+strconv.FormatUint(uint64(a.Attempt), 10)+" of task "+t.ID.String()+
		" on slave "+strconv.Quote(a.Slave)+" is not the current one (task "+t.Status.String()+
		", attempt "+strconv.FormatUint(uint64(t.Attempt), 10)+" on "+strconv.Quote(t.Slave)+")")
	e.Task = t.ID
	return e
}
