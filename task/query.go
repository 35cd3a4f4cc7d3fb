package task

import "slices"

// MaxPage bounds the tasks of one answer; MaxPageBytes bounds their texts, as
// Task.Bytes counts them, unless the first task alone has more; MaxExamined bounds
// the records that a filtered page looks at before it returns a cursor; MaxQueryIDs
// bounds the ids that a query may name.
const (
	DefaultPage  = 100
	MaxPage      = 1000
	MaxPageBytes = 256 << 10
	MaxExamined  = 10_000
	MaxQueryIDs  = 1000
)

// Query selects tasks, in order of their ids. Filters that are given must all
// accept a task.
type Query struct {
	IDs       []ID    // nil: any; ascending, each once
	Status    Status  // zero: any
	Outcome   Outcome // zero: any
	Kind      string  // empty: any
	Key       string  // empty: any
	Slave     string  // empty: any
	Labels    []Label // empty: any; the task must have all of them
	Submitted Period  // zero: any
	Finished  Period  // zero: any, also tasks that are not done

	Descending bool
	// After is the cursor: the last id that was examined, 0 at the start.
	After ID
	Limit int // 1 to MaxPage
	// Examine is how many records may be looked at; 0 for MaxExamined.
	Examine int
}

// Period is a span of stamps: those at or after From, and before Before. Zero
// leaves a side open. A period picks what is shown; nothing is decided by it.
type Period struct {
	From, Before Millis
}

// IsZero reports whether the period is open on both sides.
func (p Period) IsZero() bool { return p == Period{} }

// has reports whether a stamp is in the period. "Not yet" is in none that has a
// side.
func (p Period) has(m Millis) bool {
	return p.IsZero() || m != 0 && (p.From == 0 || m >= p.From) && (p.Before == 0 || m < p.Before)
}

// Matches reports whether the query's filters accept the task.
func (q *Query) Matches(t *Task) bool {
	return (q.Status == 0 || q.Status == t.Status) &&
		(q.Outcome == NoOutcome || q.Outcome == t.Outcome) &&
		(q.Kind == "" || q.Kind == t.Spec.Kind) &&
		(q.Key == "" || q.Key == t.Key) &&
		(q.Slave == "" || q.Slave == t.Slave) &&
		q.Submitted.has(t.SubmittedAt) && q.Finished.has(t.FinishedAt) &&
		HasLabels(t.Spec.Labels, q.Labels) && q.names(t.ID)
}

func (q *Query) names(id ID) bool {
	if q.IDs == nil {
		return true
	}
	_, found := slices.BinarySearch(q.IDs, id)
	return found
}

// Page is an answer to a Query. Next is the cursor for the following page; 0
// says that there is none.
type Page struct {
	Tasks    []Task
	Next     ID
	Examined int // records that were looked at
}

// Counts are the state's counters of tasks.
type Counts struct {
	Submitted  uint64 // ever
	Pending    uint64
	InProgress uint64
	Done       uint64 // ever
	Forgotten  uint64 // of those that are done
}

// Missing is the refusal for a task that the state does not have: ids are given
// without gaps, so one that was given is of a task that was done and is forgotten.
func (c Counts) Missing(id ID) *Error {
	if id == 0 || uint64(id) > c.Submitted {
		return Refuse(CodeTaskNotFound, "there is no task "+id.String())
	}
	err := Refuse(CodeTaskForgotten, "task "+id.String()+" was done and has been forgotten")
	err.Task = id
	return err
}

// Capacity sums up the slaves that are alive.
type Capacity struct {
	Slaves int
	Slots  int
	Busy   int
}
