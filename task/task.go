package task

import "slices"

// ID numbers a task. The state machine gives 1, 2, 3 … in log order.
type ID uint64

// Millis is an instant of the cluster's clock in milliseconds since the Unix
// epoch, as stamped by the leader that proposed an entry. The state machine stores
// it and adds to it, and never compares it with a clock: that is the leader's part.
// Zero means "not yet".
type Millis int64

// KindExpression is the kind of a task that names none.
const KindExpression = "expression"

// Defaults and bounds of a Spec.
const (
	DefaultMaxTries  = 3
	DefaultTimeoutMS = 5 * 60 * 1000
	MaxMaxTries      = 100
	MaxTimeoutMS     = 24 * 60 * 60 * 1000
	MaxBackoffMS     = 60 * 60 * 1000
	MaxAfterMS       = 365 * 24 * 60 * 60 * 1000
	MaxKeyBytes      = 255
	MaxResultBytes   = 64 << 10
	MaxErrorBytes    = 4 << 10
)

// Status tells how far a task is. It only moves forward, except from
// InProgress back to Pending when an attempt is given up.
type Status uint8

// The statuses. The zero Status is no status.
const (
	Pending Status = iota + 1
	InProgress
	Done
)

var statusNames = [...]string{"", "pending", "in_progress", "done"}

// String returns the wire name: pending, in_progress or done.
func (s Status) String() string { return name(statusNames[:], int(s)) }

// ParseStatus is the inverse of Status.String.
func ParseStatus(s string) (Status, bool) {
	i, ok := parse(statusNames[:], s)
	return Status(i), ok
}

// Outcome tells how a done task ended.
type Outcome uint8

// The outcomes. NoOutcome is that of a task that is not done.
const (
	NoOutcome Outcome = iota
	Succeeded
	Failed
	Cancelled
	Expired
	Lost
)

var outcomeNames = [...]string{"", "succeeded", "failed", "cancelled", "expired", "lost"}

// String returns the wire name; it is empty for NoOutcome.
func (o Outcome) String() string { return name(outcomeNames[:], int(o)) }

// ParseOutcome is the inverse of Outcome.String for the outcomes of done tasks.
func ParseOutcome(s string) (Outcome, bool) {
	i, ok := parse(outcomeNames[:], s)
	return Outcome(i), ok
}

// Spec is what a client asked for. It never changes after submit.
type Spec struct {
	Kind       string
	Expression string
	Parameters []Parameter // sorted by name, each name once; never mutated
	// Idempotent is copied from the kind's declaration at submit: it decides
	// between "run again" and "lost" when a slave vanishes with the task.
	Idempotent bool
	MaxTries   uint32 // executions that may begin; at least 1
	TimeoutMS  int64  // one execution's limit, judged by the slave
	RetryOf    ID     // the done task that this one repeats, or 0
	Priority   Priority
	NotBefore  Moment  // not given to a slave earlier
	Deadline   Moment  // not done by then: ended as Expired
	BackoffMS  int64   // the wait before a second try, see Task.backoff; 0 for none
	Labels     []Label // sorted by name, each name once; never mutated
	Requires   []Label // a slave must have all of them; sorted by name, each name once; never mutated
}

// Equal reports whether two specs ask for the same.
func (s *Spec) Equal(o *Spec) bool {
	return s.Kind == o.Kind && s.Expression == o.Expression && slices.Equal(s.Parameters, o.Parameters) &&
		s.Idempotent == o.Idempotent && s.MaxTries == o.MaxTries && s.TimeoutMS == o.TimeoutMS && s.RetryOf == o.RetryOf &&
		s.Priority == o.Priority && s.NotBefore == o.NotBefore && s.Deadline == o.Deadline && s.BackoffMS == o.BackoffMS &&
		slices.Equal(s.Labels, o.Labels) && slices.Equal(s.Requires, o.Requires)
}

// Priority orders tasks that wait: the higher goes first.
type Priority uint8

// MaxPriority is the highest priority; 0 is the lowest, and what a task has that
// names none.
const MaxPriority Priority = 9

// Task is one task as every replica knows it.
type Task struct {
	ID   ID
	Spec Spec
	Key  string // Idempotency-Key of its submit; empty for none

	Status  Status
	Outcome Outcome
	Result  Value  // of a succeeded task
	Error   string // of a done task that did not succeed: why, in words

	// Slave and Incarnation name where the current attempt is (or, when done,
	// where the last one was). Both are empty while no attempt was ever made.
	Slave       string
	Incarnation string
	Attempt     uint32 // number of the current or last assignment; 0 for none
	Tries       uint32 // executions that began, as far as is known

	// ReadyAt is when the task may next be given to a slave, by Spec.NotBefore or
	// by the wait after a try; 0 for at any time.
	ReadyAt     Millis
	SubmittedAt Millis
	StartedAt   Millis // of the current or last attempt's assignment
	FinishedAt  Millis
	Index       uint64 // log index of the last change
}

// Bytes is how long the task's texts are together: what it takes beyond a fixed size
// in memory, and about that in an answer, where a byte can be written as six.
func (t *Task) Bytes() int {
	n := len(t.Spec.Kind) + len(t.Spec.Expression) + len(t.Key) + len(t.Result.Text) + len(t.Error) + len(t.Slave) + len(t.Incarnation)
	for _, p := range t.Spec.Parameters {
		n += len(p.Name) + len(p.Value.Text)
	}
	return n + labelBytes(t.Spec.Labels) + labelBytes(t.Spec.Requires)
}

func labelBytes(labels []Label) (n int) {
	for _, l := range labels {
		n += len(l.Name) + len(l.Value)
	}
	return n
}

// Attempt names one assignment: the fence that a result must carry.
type Attempt struct {
	ID          ID
	Attempt     uint32
	Slave       string
	Incarnation string
}

// Current returns the attempt that may end the task, if it is in progress.
func (t *Task) Current() (Attempt, bool) {
	if t.Status != InProgress {
		return Attempt{}, false
	}
	return Attempt{ID: t.ID, Attempt: t.Attempt, Slave: t.Slave, Incarnation: t.Incarnation}, true
}

func name(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return "unknown"
	}
	return names[i]
}

func parse(names []string, s string) (int, bool) {
	for i := 1; i < len(names); i++ {
		if names[i] == s {
			return i, true
		}
	}
	return 0, false
}

// ExecutionLimit returns how long one execution may take, for a TimeoutMS: none, or
// one out of bounds, is the default or the bound. It is in milliseconds.
func ExecutionLimit(timeoutMS int64) Millis {
	if timeoutMS <= 0 {
		return DefaultTimeoutMS
	}
	return Millis(min(timeoutMS, MaxTimeoutMS))
}
