package dispatch

import (
	"maps"
	"slices"
	"sync"
	"time"

	"muster/cluster/dispatch/scheduler"
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
	panics  []time.Time               // under mu; within panicWindow, oldest first
	submits []scheduler.SuspectSubmit // under mu
	tasks   map[task.ID]time.Time     // under mu; until when they are suspected
}

// NewBreaker returns a Breaker that has seen nothing. It calls count for each panic.
func NewBreaker(count func()) *Breaker {
	return &Breaker{count: count, tasks: map[task.ID]time.Time{}}
}

// note takes in a panic.
func (b *Breaker) note(p *PanicError, now time.Time) {
	b.count()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now)
	b.panics = append(b.panics, now)
	until := now.Add(panicWindow)
	switch s := p.about.Submit; {
	case s != nil && len(b.submits) < maxSuspects:
		b.submits = append(b.submits, scheduler.SuspectSubmit{Spec: s.Spec, Key: s.Key, Until: until})
	case p.about.Task != 0 && len(b.tasks) < maxSuspects:
		b.tasks[p.about.Task] = until
	}
}

// forget drops what is older than the window.
func (b *Breaker) forget(now time.Time) {
	b.submits = slices.DeleteFunc(b.submits, func(s scheduler.SuspectSubmit) bool { return !now.Before(s.Until) })
	maps.DeleteFunc(b.tasks, func(_ task.ID, until time.Time) bool { return !now.Before(until) })
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

// suspects returns what the panics were about, for the next dispatcher.
func (b *Breaker) suspects(now time.Time) scheduler.Suspects {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forget(now)
	return scheduler.Suspects{Submits: slices.Clone(b.submits), Tasks: maps.Clone(b.tasks), Window: panicWindow}
}
