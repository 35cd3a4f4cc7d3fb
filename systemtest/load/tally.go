package main

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// times counts how long something took, to within 6 %.
type times struct {
	buckets [64 << steps]atomic.Int64 // of microseconds
	most    atomic.Int64
}

const steps = 4 // bits of a bucket's number behind its power of two

func (t *times) add(d time.Duration) {
	us := max(1, d.Microseconds())
	t.buckets[bucketOf(us)].Add(1)
	for {
		most := t.most.Load()
		if most >= us || t.most.CompareAndSwap(most, us) {
			return
		}
	}
}

func bucketOf(us int64) int {
	power := bits.Len64(uint64(us)) - 1
	return power<<steps | int(us<<steps>>power)&(1<<steps-1)
}

func (t *times) count() (n int64) {
	for i := range t.buckets {
		n += t.buckets[i].Load()
	}
	return n
}

// quantile returns the lower end of the bucket that has the quantile.
func (t *times) quantile(q float64) time.Duration {
	left := int64(q * float64(t.count()))
	for i := range t.buckets {
		if left -= t.buckets[i].Load(); left < 0 {
			us := (int64(1<<steps) + int64(i&(1<<steps-1))) << (i >> steps) >> steps
			return time.Duration(us) * time.Microsecond
		}
	}
	return time.Duration(t.most.Load()) * time.Microsecond
}

// tally counts answers by what they were.
type tally struct {
	mu   sync.Mutex
	of   map[string]*times // under mu
	from time.Time
	took time.Duration // set by end
}

func newTally() *tally { return &tally{of: map[string]*times{}, from: time.Now()} }

func (t *tally) add(what string, d time.Duration) {
	t.mu.Lock()
	of := t.of[what]
	if of == nil {
		of = new(times)
		t.of[what] = of
	}
	t.mu.Unlock()
	of.add(d)
}

func (t *tally) end() { t.took = time.Since(t.from) }

// rate is how many tasks were accepted in a second.
func (t *tally) rate() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[accepted] == nil {
		return 0
	}
	return float64(t.of[accepted].count()) / t.took.Seconds()
}

func (t *tally) quantile(what string, q float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[what] == nil {
		return 0
	}
	return t.of[what].quantile(q)
}

// refusals adds up the answers that told a client to try again.
func (t *tally) refusals() *times {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := new(times)
	for what, of := range t.of {
		if what == accepted || what == broken || what == redirect {
			continue
		}
		for i := range of.buckets {
			sum.buckets[i].Add(of.buckets[i].Load())
		}
		sum.most.Store(max(sum.most.Load(), of.most.Load()))
	}
	return sum
}

func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for name := range t.of {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		of := t.of[name]
		fmt.Fprintf(&b, "  %-22s %9.1f/s   p50 %-9s p99 %-9s most %s\n", name, float64(of.count())/t.took.Seconds(),
			round(of.quantile(.5)), round(of.quantile(.99)), round(time.Duration(of.most.Load())*time.Microsecond))
	}
	return strings.TrimRight(b.String(), "\n")
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
