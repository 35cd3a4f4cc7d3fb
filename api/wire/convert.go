package wire

import (
	"time"

	"muster/task"
)

// This file makes wire models of domain values: what a master answers.

// FromTask shows a task.
func FromTask(t *task.Task) Task {
	return Task{
		ID:             uint64(t.ID),
		Kind:           t.Spec.Kind,
		Expression:     t.Spec.Expression,
		Parameters:     ParameterList(t.Spec.Parameters),
		Idempotent:     t.Spec.Idempotent,
		MaxTries:       t.Spec.MaxTries,
		TimeoutMS:      t.Spec.TimeoutMS,
		RetryOf:        uint64(t.Spec.RetryOf),
		Priority:       int(t.Spec.Priority),
		NotBefore:      fromMoment(t.Spec.NotBefore),
		Deadline:       fromMoment(t.Spec.Deadline),
		Backoff:        fromBackoff(t.Spec.BackoffMS),
		Labels:         LabelList(t.Spec.Labels),
		Requires:       LabelList(t.Spec.Requires),
		ReadyAt:        Instant(t.ReadyAt),
		DeadlineAt:     Instant(t.DeadlineAt()),
		IdempotencyKey: t.Key,
		Status:         TaskStatus(t.Status.String()),
		Outcome:        Outcome(t.Outcome.String()),
		Result:         text(t.Result),
		ResultType:     ValueType(t.Result.Type.String()),
		Error:          t.Error,
		Slave:          t.Slave,
		Incarnation:    t.Incarnation,
		Attempt:        t.Attempt,
		Tries:          t.Tries,
		SubmittedAt:    Instant(t.SubmittedAt),
		StartedAt:      Instant(t.StartedAt),
		FinishedAt:     Instant(t.FinishedAt),
		Index:          t.Index,
	}
}

// FromTaskSimply shows what people want to see of a task, under the original
// system's names: "in progress" has a space.
func FromTaskSimply(t *task.Task) SimpleTask {
	status := t.Status.String()
	if t.Status == task.InProgress {
		status = "in progress"
	}
	return SimpleTask{
		ID:         uint64(t.ID),
		Expression: t.Spec.Expression,
		Parameters: ParameterList(t.Spec.Parameters),
		Status:     status,
		Slave:      t.Slave,
		Outcome:    Outcome(t.Outcome.String()),
		Result:     text(t.Result),
		Error:      t.Error,
	}
}

// FromSlave shows a slave. Its place in the order is its place in a list.
func FromSlave(s *task.Slave) Slave {
	return Slave{
		Name:         s.Name,
		URL:          s.URL,
		Slots:        s.Slots,
		Busy:         s.Busy,
		State:        SlaveState(s.State.String()),
		Incarnation:  s.Incarnation,
		Kinds:        fromKinds(s.Kinds),
		RegisteredAt: Instant(s.RegisteredAt),
		LastSeenAt:   Instant(s.LastSeenAt),
		Drained:      s.Drained,
		Labels:       LabelList(s.Labels),
		Version:      s.Version,
		Index:        s.Index,
	}
}

// FromMaster shows a master.
func FromMaster(m *task.Master) Master {
	return Master{
		ID:          m.ID,
		RaftAddress: m.RaftAddress,
		APIURL:      m.APIURL,
		Role:        FromRole(m.Role),
		Voter:       m.Voter,
		Commands:    m.Commands,
		Index:       m.Index,
	}
}

// FromRole shows a role. A master without one does not vote yet.
func FromRole(r task.Role) Role {
	if r == 0 {
		r = task.Joining
	}
	return Role(r.String())
}

// FromCounts shows counters.
func FromCounts(c task.Counts) Counts {
	return Counts{Submitted: c.Submitted, Pending: c.Pending, InProgress: c.InProgress, Done: c.Done, Forgotten: c.Forgotten}
}

// FromCapacity shows a capacity.
func FromCapacity(c task.Capacity) Capacity {
	return Capacity{Slaves: c.Slaves, Slots: c.Slots, Busy: c.Busy}
}

// FromVerdict shows the answer to one result.
func FromVerdict(v task.Verdict) Verdict {
	w := Verdict{ID: uint64(v.ID), Attempt: v.Attempt, Accepted: v.Err == nil}
	if v.Err != nil {
		w.Error, w.Code = v.Err.Message, v.Err.Code
	}
	return w
}

// FromAsked shows who was asked for a task, and what they answered.
func FromAsked(lines []task.Asked) []Asked {
	out := make([]Asked, len(lines))
	for i, a := range lines {
		out[i] = Asked{Slave: a.Slave, Answer: a.Answer, From: a.From, Why: a.Why}
	}
	return out
}

// FromError shows a refusal.
func FromError(e *task.Error) Error {
	w := Error{Error: e.Message, Code: e.Code, Task: uint64(e.Task), Leader: e.Leader, Asked: FromAsked(e.Asked)}
	if e.Capacity != nil {
		w.Slots, w.Busy = &e.Capacity.Slots, &e.Capacity.Busy
	}
	return w
}

func fromKinds(kinds []task.Kind) []Kind {
	out := make([]Kind, len(kinds)) // never null
	for i, k := range kinds {
		out[i] = Kind{Name: k.Name, Idempotent: k.Idempotent}
	}
	return out
}

// text is nil without a value, so that an empty string is told from none.
func text(v task.Value) *string {
	if v.Type == task.NoValue {
		return nil
	}
	return &v.Text
}

// Instant is the zero time for "not yet".
func Instant(m task.Millis) time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}
