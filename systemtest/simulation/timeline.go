package simulation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math/rand/v2"
	"strings"
	"time"
)

// timeline is what is still to happen, in the order of time; at the same time, in the
// order in which it was put there.
type timeline struct {
	now    time.Duration
	events []event // a heap
	order  uint64
}

type event struct {
	at    time.Duration
	order uint64
	do    func()
}

func (e event) before(o event) bool { return e.at < o.at || e.at == o.at && e.order < o.order }

// after has something happen in a while.
func (l *timeline) after(d time.Duration, do func()) {
	l.order++
	l.events = append(l.events, event{l.now + max(0, d), l.order, do})
	for at := len(l.events) - 1; at > 0; {
		parent := (at - 1) / 2
		if !l.events[at].before(l.events[parent]) {
			break
		}
		l.events[at], l.events[parent] = l.events[parent], l.events[at]
		at = parent
	}
}

// step has the next thing happen, and tells whether there was one.
func (l *timeline) step() bool {
	if len(l.events) == 0 {
		return false
	}
	first, last := l.events[0], len(l.events)-1
	l.events[0] = l.events[last]
	l.events[last] = event{}
	l.events = l.events[:last]
	for at := 0; ; {
		least := at
		for _, child := range [...]int{2*at + 1, 2*at + 2} {
			if child < last && l.events[child].before(l.events[least]) {
				least = child
			}
		}
		if least == at {
			break
		}
		l.events[at], l.events[least] = l.events[least], l.events[at]
		at = least
	}
	l.now = first.at
	first.do()
	return true
}

// chance is a source of numbers that all come from a seed. Each part of a run has its
// own, so that what is left out of one changes little in the others.
type chance struct{ *rand.Rand }

func newChance(seed, stream uint64) chance {
	return chance{rand.New(rand.NewPCG(seed, stream))} //nolint:gosec // runs are to be repeated, not to be secret
}

// in tells whether something happens that does in so many of a hundred cases.
func (c chance) in(percent int) bool { return c.IntN(100) < percent }

// between returns a duration.
func (c chance) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.Int64N(int64(most-least)+1))
}

func pick[T any](c chance, of ...T) T { return of[c.IntN(len(of))] }

// trace is what happened, as text and as a hash of it.
type trace struct {
	on    bool
	sum   hash.Hash
	lines []string
	keep  bool
}

func newTrace(on, keep bool) *trace { return &trace{on: on, keep: keep, sum: sha256.New()} }

func (t *trace) addf(now time.Duration, format string, args ...any) {
	line := fmt.Sprintf("%12s  ", now) + fmt.Sprintf(format, args...)
	_, _ = t.sum.Write([]byte(line + "\n")) // a hash takes everything
	if t.keep {
		t.lines = append(t.lines, line)
	}
}

func (t *trace) text() string { return strings.Join(t.lines, "\n") }

func (t *trace) hash() string { return hex.EncodeToString(t.sum.Sum(nil)) }
