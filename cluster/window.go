package cluster

import (
	"math"
	"sort"
	"sync"

	"muster/fsm"
)

// The bounds of a window: what a reader may miss before it has to start again.
const (
	windowEvents = 1 << 16
	windowBytes  = 64 << 20
)

// Place is where an event stands in the log: the entry's index, and the event's
// number within the entry, from 0 over all its commands. It is equal on every
// master, because Apply is deterministic.
type Place struct {
	Index    uint64
	Position int
}

// EndOfEntry is a Position behind every event of an entry.
const EndOfEntry = math.MaxInt

func (p Place) before(q Place) bool {
	return p.Index < q.Index || p.Index == q.Index && p.Position < q.Position
}

// PlacedEvent is an event with its place.
type PlacedEvent struct {
	Place

	Event fsm.Event
}

// Reach tells whether this master can answer for a place.
type Reach int

// The reaches.
const (
	Held   Reach = iota // every event after the place is there
	Gone                // events after the place were dropped, or never seen
	Unseen              // the place lies behind the last entry seen
)

// EventsAfter returns at most limit events that follow a place, in log order, and
// a channel that closes when there is more to see. A master holds the newest
// events only, and after its start those since its last snapshot, of a long log only
// those of its newest commands.
func (n *Node) EventsAfter(p Place, limit int) (events []PlacedEvent, reach Reach, more <-chan struct{}) {
	return n.hub.window.after(p, limit)
}

// window holds the newest events, bounded by count and by bytes. What does not
// fit any more is dropped from its old end.
type window struct {
	maxEvents, maxBytes int
	size                func(fsm.Event) int

	mu     sync.Mutex
	events ring          // under mu; in log order
	bytes  int           // under mu; of events
	floor  Place         // under mu; all that came after it is in events
	last   uint64        // under mu; index of the last entry seen
	more   chan struct{} // under mu; closed and replaced when last or floor changes
}

// newWindow begins after an index: a restart or a snapshot knows no events
// before it.
func newWindow(index uint64, maxEvents, maxBytes int, size func(fsm.Event) int) *window {
	w := &window{maxEvents: maxEvents, maxBytes: maxBytes, size: size, more: make(chan struct{})}
	w.restart(index)
	return w
}

// restart drops everything: the state came from a snapshot, so the events
// before the index are not known.
func (w *window) restart(index uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events, w.bytes, w.last = ring{}, 0, index
	w.floor = Place{Index: index, Position: EndOfEntry}
	w.tell()
}

// tell wakes all who wait for more.
func (w *window) tell() {
	close(w.more)
	w.more = make(chan struct{})
}

// add appends the events of entries. It never waits for a reader's work: after
// copies under the same lock, and no more than it was asked for.
func (w *window) add(entries ...entryOutcomes) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, entry := range entries {
		w.last = entry.index
		position := 0
		for i := range entry.outcomes {
			for _, e := range entry.outcomes[i].Events {
				w.events.push(PlacedEvent{Place: Place{Index: entry.index, Position: position}, Event: e})
				w.bytes += w.size(e)
				position++
			}
		}
		w.shrink()
	}
	w.tell()
}

// shrink drops from the old end until both bounds hold.
func (w *window) shrink() {
	for w.events.n > 0 && (w.events.n > w.maxEvents || w.bytes > w.maxBytes) {
		first := w.events.shift()
		w.floor = first.Place
		w.bytes -= w.size(first.Event)
	}
}

// ring is a queue whose memory is used again and again.
type ring struct {
	slots []PlacedEvent // their number is a power of two, or none
	head  int           // the slot of the first event
	n     int           // events
}

func (r *ring) at(i int) *PlacedEvent { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

func (r *ring) push(e PlacedEvent) {
	if r.n == len(r.slots) {
		grown := make([]PlacedEvent, max(64, 2*len(r.slots)))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.slots, r.head = grown, 0
	}
	r.n++
	*r.at(r.n - 1) = e
}

// shift takes the first event out.
func (r *ring) shift() PlacedEvent {
	first := r.at(0)
	e := *first
	*first = PlacedEvent{}
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.n--
	return e
}

// after is EventsAfter.
func (w *window) after(p Place, limit int) ([]PlacedEvent, Reach, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case p.Index > w.last:
		return nil, Unseen, w.more
	case p.before(w.floor):
		return nil, Gone, w.more
	}
	from := sort.Search(w.events.n, func(i int) bool { return p.before(w.events.at(i).Place) })
	var events []PlacedEvent
	for i := from; i < min(w.events.n, from+limit); i++ {
		e := *w.events.at(i)
		e.Event.Task = e.Event.Then()
		events = append(events, e)
	}
	return events, Held, w.more
}

// eventBytes is about how much memory an event takes.
func eventBytes(e fsm.Event) int {
	const fixed = 128
	switch {
	case e.Task != nil:
		return 5*fixed + e.Task.Bytes()
	case e.Slave != nil:
		return 4*fixed + e.Slave.Bytes()
	default:
		return 2 * fixed
	}
}
