package dispatch

import (
	"slices"
	"sync"
	"time"

	"muster/task"
)

const (
	// panicWindow is how long a panic is remembered, and what it was about set aside.
	panicWindow = 10 * time.Minute
	// firstPause and longestPause bound how long leadership is kept without a
	// dispatcher, from the second panic within the window on.
	firstPause   = time.Second
	longestPause = time.Minute
	// maxSuspects bounds the submits that are refused, and the tasks set aside.
	maxSuspects = 64
)

// Breaker keeps what makes a dispatcher panic from ending one leader after the
// other: it remembers the panics of one master, over all terms in which that leads.
// What a panic was about is kept from the next dispatchers of this master for
// panicWindow: a submit is refused, a waiting task is not given to a slave.
// It may be used by several goroutines.
type Breaker struct {
	count func() // a panic

	mu      sync.Mutex
	panics  []time.Time // under mu; within panicWindow, oldest first
	submits []suspect   // under mu
	tasks   []suspect   // under mu
}

// suspect is what a panic was about.
type suspect struct {
	until time.Time
	spec  task.Spec // of a submit
	key   string    // of a submit
	id    task.ID   // of a task
}

// NewBreaker returns a Breaker that has seen nothing. It calls count for each panic.
func NewBreaker(count func()) *Breaker { return &Breaker{count: count} }

// note takes in a panic.
func (b *Breaker) note(p *PanicError, now time.Time) {
	b.count()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now)
	b.panics = append(b.panics, now)
	until := now.Add(panicWindow)
	switch s := p.about.submit; {
	case s != nil && len(b.submits) < maxSuspects:
		b.submits = append(b.submits, suspect{until: until, spec: s.Spec, key: s.Key})
	case p.about.task != 0 && len(b.tasks) < maxSuspects:
		b.tasks = append(b.tasks, suspect{until: until, id: p.about.task})
	}
}

// forget drops what is older than the window.
func (b *Breaker) forget(now time.Time) {
	over := func(s suspect) bool { return !now.Before(s.until) }
	b.submits, b.tasks = slices.DeleteFunc(b.submits, over), slices.DeleteFunc(b.tasks, over)
	b.panics = slices.DeleteFunc(b.panics, func(at time.Time) bool { return now.Sub(at) >= panicWindow })
}

// Pause tells what to do after a panic, and how many there were within the window:
// with 0 leadership is handed on; with more it is kept, and no dispatcher runs for
// that long, so that what makes them panic is not brought to every master in turn.
func (b *Breaker) Pause() (pause time.Duration, panics int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.panics)
	if n < 2 {
		return 0, n
	}
	const enough = 16 // doublings
	return min(firstPause<<min(n-2, enough), longestPause), n
}

// suspects tells whether a panic was about such a submit.
func (b *Breaker) suspects(r *Request, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.submits, func(s suspect) bool {
		return now.Before(s.until) && s.key == r.Key && sameRequest(s.spec, r.Spec)
	})
}

// setAside returns the tasks that a panic was about, and until when they wait.
func (b *Breaker) setAside(now time.Time) map[task.ID]time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now)
	out := make(map[task.ID]time.Time, len(b.tasks))
	for _, s := range b.tasks {
		out[s.id] = s.until
	}
	return out
}
