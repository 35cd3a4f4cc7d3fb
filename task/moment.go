package task

// Moment is when a client wants something: at an instant, or a while after the
// submit. At most one of the two is set; the zero Moment is none.
type Moment struct {
	At      Millis
	AfterMS int64
}

// IsZero reports whether the moment is none.
func (m Moment) IsZero() bool { return m == Moment{} }

// From returns the instant for a task that was submitted at the given one.
func (m Moment) From(submitted Millis) Millis {
	if m.AfterMS != 0 {
		return submitted + Millis(m.AfterMS)
	}
	return m.At
}

// DeadlineAt returns when the task expires unless it is done; 0 for never.
func (t *Task) DeadlineAt() Millis { return t.Spec.Deadline.From(t.SubmittedAt) }

// backoff is the wait after the tries that the task has had: it doubles with each,
// and is never longer than MaxBackoffMS.
func (t *Task) backoff() Millis {
	wait := t.Spec.BackoffMS
	for range t.Tries - 1 {
		if wait >= MaxBackoffMS {
			break
		}
		wait *= 2
	}
	return Millis(min(wait, MaxBackoffMS))
}
