package kills_test

import (
	"sync"
	"time"
)

// acks are the first acknowledgements of all tasks, in order.
type acks struct {
	mu   sync.Mutex
	all  []ack         // under mu
	more chan struct{} // closed at the next; under mu
}

// ack is an accepted write.
type ack struct {
	began time.Time // when the task was first submitted
	at    time.Time
}

func newAcks() *acks { return &acks{more: make(chan struct{})} }

func (a *acks) add(began time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, ack{began, time.Now()})
	close(a.more)
	a.more = make(chan struct{})
}

// since returns the acknowledgements after the first n, and what is closed at the
// next one.
func (a *acks) since(n int) ([]ack, <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.all[n:len(a.all):len(a.all)], a.more
}

func (a *acks) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.all)
}

// window is the time over which a rate is measured.
const window = time.Second

// rate is how many were acknowledged in the last window, in tasks per second.
func (a *acks) rate() float64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	from := time.Now().Add(-window)
	n := 0
	for i := len(a.all) - 1; i >= 0 && a.all[i].at.After(from); i-- {
		n++
	}
	return float64(n) / window.Seconds()
}

// firstSubmittedAfter finds the first acknowledgement of a task that was submitted
// after a moment.
func firstSubmittedAfter(all []ack, moment time.Time) (ack, bool) {
	for _, x := range all {
		if x.began.After(moment) {
			return x, true
		}
	}
	return ack{}, false
}

// longestPause is the longest time between two acknowledgements in a row, of
// those that ended between two moments.
func longestPause(all []ack, from, to time.Time) time.Duration {
	longest := time.Duration(0)
	for i := 1; i < len(all) && !all[i].at.After(to); i++ {
		if all[i].at.After(from) {
			longest = max(longest, all[i].at.Sub(all[i-1].at))
		}
	}
	return longest
}
