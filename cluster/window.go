package cluster

import (
	"sort"
	"sync"

	"muster/fsm"
)

// place is where an event stands in the log: the entry's index, and the event's
// number within the entry, from 0 over all its commands. It is equal on every
// master, because Apply is deterministic.
type place struct {
	index    uint64
	position int
}

func (p place) before(q place) bool {
	return p.index < q.index || p.index == q.index && p.position < q.position
}

// placed is an event with its place.
type placed struct {
	place
	event fsm.Event
}

// reach tells whether the window can answer for a place.
type reach int

const (
	held   reach = iota // every event after the place is there
	gone                // events after the place were dropped, or never seen
	unseen              // the place lies behind the last entry seen
)

// window holds the newest events, bounded by count and by bytes. What does not
// fit any more is dropped from its old end.
type window struct {
	maxEvents, maxBytes int
	size                func(fsm.Event) int

	mu     sync.Mutex
	events []placed // under mu; in log order
	bytes  int      // under mu; of events
	floor  place    // under mu; all that came after it is in events
	last   uint64   // under mu; index of the last entry seen
}

// endOfEntry is a position behind every event of an entry.
const endOfEntry = int(^uint(0) >> 1)

// newWindow begins after an index: a restart or a snapshot knows no events
// before it.
func newWindow(index uint64, maxEvents, maxBytes int, size func(fsm.Event) int) *window {
	w := &window{maxEvents: maxEvents, maxBytes: maxBytes, size: size}
	w.restart(index)
	return w
}

// restart drops everything: the state came from a snapshot, so the events
// before the index are not known.
func (w *window) restart(index uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events, w.bytes, w.last = nil, 0, index
	w.floor = place{index: index, position: endOfEntry}
}

// add appends the events of an entry. It never waits for a reader's work: after
// copies under the same lock, and no more than it was asked for.
func (w *window) add(index uint64, outcomes []fsm.Outcome) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = index
	position := 0
	for i := range outcomes {
		for _, e := range outcomes[i].Events {
			w.events = append(w.events, placed{place: place{index: index, position: position}, event: e})
			w.bytes += w.size(e)
			position++
		}
	}
	w.shrink()
}

// shrink drops from the old end until both bounds hold.
func (w *window) shrink() {
	for len(w.events) > 0 && (len(w.events) > w.maxEvents || w.bytes > w.maxBytes) {
		w.floor = w.events[0].place
		w.bytes -= w.size(w.events[0].event)
		w.events[0] = placed{} // the array lives on until append grows it
		w.events = w.events[1:]
	}
}

// after returns at most limit events that follow the place, in log order.
func (w *window) after(p place, limit int) ([]placed, reach) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case p.index > w.last:
		return nil, unseen
	case p.before(w.floor):
		return nil, gone
	}
	from := sort.Search(len(w.events), func(i int) bool { return p.before(w.events[i].place) })
	to := min(len(w.events), from+limit)
	return append([]placed(nil), w.events[from:to]...), held
}
