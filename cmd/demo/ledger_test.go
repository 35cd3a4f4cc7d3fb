package demo

import (
	"slices"
	"testing"
	"time"
)

// at makes entries that were acknowledged so many milliseconds after a start.
func at(start time.Time, millis ...int) []entry {
	var out []entry
	for i, ms := range millis {
		out = append(out, entry{id: uint64(i + 1), at: start.Add(time.Duration(ms) * time.Millisecond)})
	}
	return out
}

func TestGap(t *testing.T) {
	start := time.Unix(1000, 0)
	kill := start.Add(1000 * time.Millisecond)
	for _, c := range []struct {
		what   string
		acks   []int
		want   time.Duration
		ending bool
	}{
		{"nothing after the kill", []int{980, 990}, 0, false},
		{"the gap around the kill", []int{970, 990, 1600, 1610}, 610 * time.Millisecond, true},
		{"an answer that arrives after the death", []int{990, 1002, 1600, 1610}, 598 * time.Millisecond, true},
		{"a longer pause before the kill does not count", []int{0, 900, 990, 1300, 1310}, 310 * time.Millisecond, true},
	} {
		got, ended := gap(at(start, c.acks...), kill)
		if got != c.want || ended != c.ending {
			t.Errorf("%s: %s, %v; want %s, %v", c.what, got, ended, c.want, c.ending)
		}
	}
}

func TestRate(t *testing.T) {
	start := time.Unix(1000, 0)
	entries := at(start, -100, 0, 500, 1000, 2000, 2100)
	if got := rate(entries, start, start.Add(2*time.Second)); got != 2 {
		t.Errorf("4 entries in 2 s are %v per second", got)
	}
}

func TestLedgerIsInOrder(t *testing.T) {
	var l ledger
	for _, e := range at(time.Unix(1000, 0), 30, 10, 20) {
		l.acknowledged(e)
	}
	var ids []uint64
	for _, e := range l.all() {
		ids = append(ids, e.id)
	}
	if !slices.Equal(ids, []uint64{2, 3, 1}) || l.count() != 3 {
		t.Errorf("ids in order of their acknowledgements: %v", ids)
	}
}
