package watch

import (
	"math"
	"sort"
	"sync"

	"muster/fsm"
)

// The bounds of a window: what a reader may miss before it has to start again.
const (
	WindowEvents = 1 << 16
	windowBytes  = 64 << 20
)

// Position is where an event stands in the log: the entry's index, and the event's
// number within the entry, from 0 over all its commands. It is equal on every
// master, because Apply is deterministic.
type Position struct {
	Index  uint64
	Number int
}

// EndOfEntry is a Number behind every event of an entry.
const EndOfEntry = math.MaxInt

func (p Position) before(q Position) bool {
	return p.Index < q.Index || p.Index == q.Index && p.Number < q.Number
}

// Event is an event with its position.
type Event struct {
	Position

	Event fsm.Event
}

// Reach tells whether this master can answer for a position.
type Reach int

// The reaches.
const (
	Held   Reach = iota // every event after the position is there
	Gone                // events after the position were dropped, or never seen
	Unseen              // the position lies behind the last entry seen
)

// window holds the newest events, bounded by count and by bytes. What does not
// fit any more is dropped from its old end.
type window struct {
	maxEvents, maxBytes int
	size                func(fsm.Event) int

	mu     sync.Mutex
	events ring          // under mu; in log order
	bytes  int           // under mu; of events
	floor  Position      // under mu; all that came after it is in events
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
	w.floor = Position{Index: index, Number: EndOfEntry}
	w.tell()
}

// tell wakes all who wait for more.
func (w *window) tell() {
	close(w.more)
	w.more = make(chan struct{})
}

// add appends the events of entries. It never waits for a reader's work: after
// copies under the same lock, and no more than it was asked for.
func (w *window) add(entries ...Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, entry := range entries {
		w.last = entry.Index
		number := 0
		for i := range entry.Outcomes {
			for _, e := range entry.Outcomes[i].Events {
				w.events.push(Event{Position: Position{Index: entry.Index, Number: number}, Event: e})
				w.bytes += w.size(e)
				number++
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
		w.floor = first.Position
		w.bytes -= w.size(first.Event)
	}
}

// ring is a queue whose memory is used again and again.
type ring struct {
	slots []Event // their number is a power of two, or none
	head  int     // the slot of the first event
	n     int     // events
}

func (r *ring) at(i int) *Event { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

func (r *ring) push(e Event) {
	if r.n == len(r.slots) {
		grown := make([]Event, max(64, 2*len(r.slots)))
		for i := range r.n {
			grown[i] = *r.at(i)
		}
		r.slots, r.head = grown, 0
	}
	r.n++
	*r.at(r.n - 1) = e
}

// shift takes the first event out.
func (r *ring) shift() Event {
	first := r.at(0)
	e := *first
	*first = Event{}
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.n--
	return e
}

// after is EventsAfter.
func (w *window) after(p Position, limit int) ([]Event, Reach, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case p.Index > w.last:
		return nil, Unseen, w.more
	case p.before(w.floor):
		return nil, Gone, w.more
	}
	from := sort.Search(w.events.n, func(i int) bool { return p.before(w.events.at(i).Position) })
	var events []Event
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
