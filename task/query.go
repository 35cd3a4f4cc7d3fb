package task

// MaxPage bounds the tasks of one answer; MaxExamined bounds the records that a
// filtered page looks at before it returns a cursor.
const (
	DefaultPage = 100
	MaxPage     = 1000
	MaxExamined = 10_000
)

// Query selects tasks, in order of their ids.
type Query struct {
	Status     Status  // zero: any
	Outcome    Outcome // zero: any
	Slave      string  // empty: any
	Descending bool
	// After is the cursor: the last id that was examined, 0 at the start.
	After ID
	Limit int // 1 to MaxPage
}

// Matches reports whether the query's filters accept the task.
func (q *Query) Matches(t *Task) bool {
	return (q.Status == 0 || q.Status == t.Status) &&
		(q.Outcome == NoOutcome || q.Outcome == t.Outcome) &&
		(q.Slave == "" || q.Slave == t.Slave)
}

// Page is an answer to a Query. Next is the cursor for the following page; 0
// says that there is none.
type Page struct {
	Tasks []Task
	Next  ID
}

// Counts are the state's counters of tasks.
type Counts struct {
	Submitted  uint64 // ever
	Pending    uint64
	InProgress uint64
	Done       uint64 // ever
}

// Capacity sums up the slaves that are alive.
type Capacity struct {
	Slaves int
	Slots  int
	Busy   int
}
