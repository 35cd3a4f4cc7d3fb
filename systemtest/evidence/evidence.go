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
	slots   map[string]int     // by slave's name; under mu
	dumps   []Dump             // under mu
}

// New returns no evidence.
func New() *Evidence {
	return &Evidence{submits: map[string]*Submit{}, slots: map[string]int{}}
}

// Submitting notes a key before it is sent for the first time.
func (e *Evidence) Submitting(key, expression string, want Want) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.submits[key] == nil {
		e.submits[key] = &Submit{Key: key, Expression: expression, Want: want}
		e.keys = append(e.keys, key)
	}
}

// Acknowledged notes that a key was accepted, or found again, as a task.
func (e *Evidence) Acknowledged(key string, id uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.submits[key].Acknowledged = append(e.submits[key].Acknowledged, id)
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

// Ids returns the ids of all acknowledged tasks.
func (e *Evidence) Ids() []uint64 {
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
