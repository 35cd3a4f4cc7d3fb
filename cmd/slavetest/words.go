package slavetest

import (
	"fmt"
	"sync"
)

// words watches what a slave says of its free slots, over one incarnation.
type words struct {
	mu          sync.Mutex
	incarnation string
	highest     uint64
	free        map[uint64]int // by counter
	heardOf     int
	wrong       string // the first that can't be
}

// begin forgets what an earlier incarnation said.
func (w *words) begin(incarnation string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if incarnation != w.incarnation {
		w.incarnation, w.highest, w.free = incarnation, 0, map[uint64]int{}
	}
}

// heard takes in the word of an answer. Answers come one after the other.
func (w *words) heard(a word) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if *a.Counter < w.highest && a.Incarnation == w.incarnation {
		w.objectf("the counter went back from %d to %d", w.highest, *a.Counter)
	}
	w.highest = max(w.highest, *a.Counter)
	w.note(a.Incarnation, *a.Counter, *a.Free)
}

// told takes in the word of a report, which may be older than that of an answer.
func (w *words) told(r report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.Free != nil && r.Counter != nil {
		w.note(r.Incarnation, *r.Counter, *r.Free)
	}
}

func (w *words) note(incarnation string, counter uint64, free int) {
	w.heardOf++
	if incarnation != w.incarnation {
		w.objectf("the incarnation changed from %q to %q without a start", w.incarnation, incarnation)
		return
	}
	if before, ok := w.free[counter]; ok && before != free {
		w.objectf("with the counter %d it once had %d free slots and once %d", counter, before, free)
	}
	w.free[counter] = free
}

func (w *words) objectf(format string, args ...any) {
	if w.wrong == "" {
		w.wrong = fmt.Sprintf(format, args...)
	}
}

func (w *words) verdict() (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wrong != "" {
		return "", failed("%s", w.wrong)
	}
	return fmt.Sprintf("%d words, with counters up to %d", w.heardOf, w.highest), nil
}
