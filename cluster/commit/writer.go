package commit

import (
	"sync"

	"muster/cluster/watch"
	"muster/fsm"
)

// maxFollowed bounds the outcomes and events that wait for a Writer's owner.
const maxFollowed = 1 << 17

// Writer is the log as one goroutine writes and follows it: entries go in by Append,
// and everything that is applied after its making comes out of Committed, in the order
// of the log. Nothing waits in it.
type Writer struct {
	hub   *watch.Hub
	put   func(own *call, landed func(err error)) // into the log
	limit int
	wake  chan struct{}

	mu         sync.Mutex
	flights    []*flight     // under mu; own entries that have not come back, oldest first
	applied    []watch.Entry // under mu; entries that have not come back, in log order
	size       int           // under mu; of applied
	overflowed bool          // under mu; stays true
}

// Entry is what has become of an entry.
type Entry struct {
	Own      bool // it is the oldest that this Writer appended and that has not come back
	Outcomes []fsm.Outcome
	Err      error // of an own entry; as Propose has it
}

// flight is an own entry on its way.
type flight struct {
	call call
	done bool // it has landed
	err  error
}

// NewWriter returns a view of the hub, and the log from there on. Close it.
func (c *Committer) NewWriter(hub *watch.Hub) (*fsm.View, *Writer) {
	w := &Writer{hub: hub, put: c.propose, limit: maxFollowed, wake: make(chan struct{}, 1)}
	return hub.Follow(w), w
}

// Wake has a value when Ready may have become true, or Committed returns something.
func (w *Writer) Wake() <-chan struct{} { return w.wake }

// Ready tells whether an entry may be appended: fewer than maxInFlight are on their way.
func (w *Writer) Ready() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.flights) < maxInFlight
}

// Append puts proposals into the log, next to each other in one entry behind those of
// all earlier calls. It does not wait. Every entry comes back once, after a bounded
// time.
func (w *Writer) Append(proposals []fsm.Proposal) {
	f := &flight{call: call{proposals: proposals, alone: true}}
	w.mu.Lock()
	w.flights = append(w.flights, f)
	w.mu.Unlock()
	w.put(&f.call, func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		f.done, f.err = true, err
		w.signal()
	})
}

// Committed returns what has become of entries since the last call, in log order.
// Overflowed tells that some are missing, because nobody took them or because the state
// came from a snapshot. The Writer is then of no more use.
func (w *Writer) Committed() (entries []Entry, overflowed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		e, ok := w.next()
		if !ok {
			return entries, w.overflowed
		}
		entries = append(entries, e)
	}
}

// next takes out the entry that comes back next. What was applied before the oldest own
// entry is somebody else's; whether what was applied is that one is known when it has
// landed.
func (w *Writer) next() (Entry, bool) {
	var own *flight
	if len(w.flights) > 0 {
		own = w.flights[0]
	}
	switch {
	case own != nil && !own.done:
		return Entry{}, false
	case own != nil && own.err != nil:
		w.flights = w.flights[1:]
		return Entry{Own: true, Err: own.err}, true
	case own == nil && len(w.applied) == 0:
		return Entry{}, false
	case len(w.applied) == 0 || own != nil && w.applied[0].Index > own.call.index:
		w.overflow() // it was applied, and is not there
		return Entry{}, false
	}
	first := w.applied[0]
	w.applied = w.applied[1:]
	w.size -= size(first)
	if own == nil || first.Index < own.call.index {
		return Entry{Outcomes: first.Outcomes}, true
	}
	w.flights = w.flights[1:]
	return Entry{Own: true, Outcomes: own.call.outcomes}, true
}

// Close ends the following. It may be repeated.
func (w *Writer) Close() { w.hub.Unfollow(w) }

// Push takes in entries that were applied. Each is there before Propose returns for it.
func (w *Writer) Push(entries []watch.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.overflowed {
		return
	}
	for _, e := range entries {
		w.size += size(e)
	}
	if w.applied = append(w.applied, entries...); w.size > w.limit {
		w.overflow()
	}
	w.signal()
}

// Skip takes in that entries were applied which nobody can tell of.
func (w *Writer) Skip() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.overflow()
	w.signal()
}

// size is how much has to be remembered of an entry: one for each outcome and each event.
func size(e watch.Entry) int {
	n := len(e.Outcomes)
	for i := range e.Outcomes {
		n += len(e.Outcomes[i].Events)
	}
	return n
}

func (w *Writer) overflow() { w.applied, w.size, w.overflowed = nil, 0, true }

func (w *Writer) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
