package demo

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// ledger is what the demo was promised: every task that a master acknowledged,
// and what must come of it.
type ledger struct {
	mu      sync.Mutex
	entries []entry
	refused int // answers that said full capacity; repeated with the same key
}

// entry is one acknowledged task.
type entry struct {
	id   uint64
	key  string
	want string // its result
	at   time.Time
}

func (l *ledger) acknowledged(e entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

func (l *ledger) fullCapacity() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused++
}

// all are the entries, in the order of their acknowledgements.
func (l *ledger) all() []entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.entries)
	slices.SortFunc(out, func(a, b entry) int { return a.at.Compare(b.at) })
	return out
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.entries)
}

// gap is the longest time between two acknowledgements, of those that ended after
// the moment of a kill; false while there is none. (Not simply what lies around
// that moment: an answer may still be on its way when its sender is dead.)
func gap(entries []entry, killed time.Time) (longest time.Duration, ended bool) {
	for i := 1; i < len(entries); i++ {
		if before, after := entries[i-1].at, entries[i].at; after.After(killed) {
			longest, ended = max(longest, after.Sub(before)), true
		}
	}
	return longest, ended
}

// rate is the entries per second between two moments.
func rate(entries []entry, from, to time.Time) float64 {
	n := 0
	for _, e := range entries {
		if !e.at.Before(from) && !e.at.After(to) {
			n++
		}
	}
	return float64(n) / to.Sub(from).Seconds()
}

// twice are the ids that stand in the ledger more than once: submits with
// different keys that were given the same task.
func twice(entries []entry) []uint64 {
	ids := make([]uint64, len(entries))
	for i, e := range entries {
		ids[i] = e.id
	}
	slices.SortFunc(ids, cmp.Compare)
	var out []uint64
	for i := 1; i < len(ids); i++ {
		if ids[i] == ids[i-1] {
			out = append(out, ids[i])
		}
	}
	return slices.Compact(out)
}
