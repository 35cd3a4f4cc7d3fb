package cluster

import (
	"sync"

	"muster/fsm"
)

// maxSubscribed bounds the events that wait for a subscriber.
const maxSubscribed = 1 << 17

// Subscription is a bounded queue of the events after a view, in log order.
type Subscription struct {
	hub   *hub
	limit int
	ready chan struct{}

	mu         sync.Mutex
	events     []fsm.Event // under mu
	overflowed bool        // under mu; stays true
}

// Subscribe returns a view and the events of all entries applied after it. The
// events of an entry are there before Propose returns for it.
func (n *Node) Subscribe() (*fsm.View, *Subscription) {
	return n.hub.subscribe(maxSubscribed)
}

func (h *hub) subscribe(limit int) (*fsm.View, *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &Subscription{hub: h, limit: limit, ready: make(chan struct{}, 1)}
	h.subs[s] = struct{}{}
	return h.view.Load(), s
}

// Ready has a value when Take would return something.
func (s *Subscription) Ready() <-chan struct{} { return s.ready }

// Take empties the queue. Overflowed tells that events are missing, because
// nobody took them or because the state came from a snapshot. The subscription
// is then of no more use: Close it and Subscribe again.
func (s *Subscription) Take() (events []fsm.Event, overflowed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events, s.events = s.events, nil
	return events, s.overflowed
}

// Close ends the subscription. It may be repeated.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
}

func (s *Subscription) push(events []fsm.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.overflowed:
		return
	case len(s.events)+len(events) > s.limit:
		s.events, s.overflowed = nil, true
	default:
		s.events = append(s.events, events...)
	}
	s.signal()
}

func (s *Subscription) overflow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.overflowed = nil, true
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}
