package evidence

import (
	"sync"
	"time"

	"muster/api/client"
)

// Submit is what a client knows of one idempotency key.
type Submit struct {
	Key        string
	Expression string
	Want       Want
	// Acknowledged are the ids of all answers that accepted the key, in order.
	Acknowledged []uint64

	began   time.Time   // of the first attempt
	acked   []time.Time // when each of Acknowledged came
	tried   int         // how often it was sent
	refused []string    // answers that say that nothing happened
}

// Want is how a task must end.
type Want struct {
	Outcome client.Outcome // empty: any
	Result  string         // of a success
}

// Run is one execution in a slave, seen by its handler.
type Run struct {
	Slave       string
	Incarnation int // counts the starts of the slave
	Task        uint64
	Attempt     uint32
	Began       time.Time
	Ended       time.Time // zero: it had not when the slave died, or the test ended
}

// Read is what an answer showed of the whole state, at some moment between its
// question and itself.
type Read struct {
	// Client, if not empty, is one that asks one question after the other, each
	// with the index that it has seen.
	Client       string
	Master       string // who answered
	Linearizable bool   // it was asked for
	Began, Ended time.Time
	Index        uint64
	Counts       client.Counts
}

// Dump is what one master holds.
type Dump struct {
	Master string
	Status client.Status // with its fingerprint
	Tasks  []client.Task
	Slaves []client.Slave
}

// Evidence is what was seen of one run. Its methods are safe for concurrent use.
type Evidence struct {
	mu      sync.Mutex
	submits map[string]*Submit // by key; under mu
	keys    []string           // in order of their first submit; under mu
	runs    []*Run             // under mu
	saw     []client.Task      // done tasks in answers; under mu
	reads   []Read             // under mu
	slots   map[string]int     // by slave's name; under mu
	dumps   []Dump             // under mu
}

// New returns no evidence.
func New() *Evidence {
	return &Evidence{submits: map[string]*Submit{}, slots: map[string]int{}}
}

// Submitting notes a key each time before it is sent.
func (e *Evidence) Submitting(key, expression string, want Want) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.submits[key] == nil {
		e.submits[key] = &Submit{Key: key, Expression: expression, Want: want, began: time.Now()}
		e.keys = append(e.keys, key)
	}
	e.submits[key].tried++
}

// Acknowledged notes that a key was accepted, or found again, as a task.
func (e *Evidence) Acknowledged(key string, id uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.submits[key]
	s.Acknowledged, s.acked = append(s.Acknowledged, id), append(s.acked, time.Now())
}

// Refused notes that an attempt with a key got an answer which says that nothing
// happened. An attempt whose fate is not known is not noted: a key that was
// refused as often as it was sent must not have a task.
func (e *Evidence) Refused(key, answer string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.submits[key].refused = append(e.submits[key].refused, answer)
}

// Saw notes a task as an answer showed it.
func (e *Evidence) Saw(t client.Task) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t.Status == client.TaskDone {
		e.saw = append(e.saw, t)
	}
}

// Read notes what an answer showed of the whole state.
func (e *Evidence) Read(r Read) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads = append(e.reads, r)
}

// Slave notes how many slots a slave has.
func (e *Evidence) Slave(name string, slots int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slots[name] = slots
}

// Begin notes that an execution begins; the function returned notes its end.
func (e *Evidence) Begin(r Run) (end func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.Began = time.Now()
	e.runs = append(e.runs, &r)
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		r.Ended = time.Now()
	}
}

// Dump notes what a master holds at the end, when it has caught up and nothing
// runs.
func (e *Evidence) Dump(d Dump) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dumps = append(e.dumps, d)
}

// IDs returns the ids of all acknowledged tasks.
func (e *Evidence) IDs() []uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []uint64
	for _, key := range e.keys {
		if a := e.submits[key].Acknowledged; len(a) > 0 {
			ids = append(ids, a[0])
		}
	}
	return ids
}

// Runs returns the executions of a task, in order.
func (e *Evidence) Runs(id uint64) []Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	var runs []Run
	for _, r := range e.runs {
		if r.Task == id {
			runs = append(runs, *r)
		}
	}
	return runs
}
