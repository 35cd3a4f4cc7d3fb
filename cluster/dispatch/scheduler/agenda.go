package scheduler

import "slices"

// agenda is a heap of the classes that have something to do, by the first thing
// that each has. Making it costs one look at each class; every move after that
// costs O(log n), where a search for the first of all would cost O(n).
type agenda[K any] struct {
	entries []agendaEntry[K]
	before  func(a, b K) bool
}

type agendaEntry[K any] struct {
	key   K
	class *class
}

// add puts a class in; order has to follow.
func (a *agenda[K]) add(key K, cl *class) {
	a.entries = append(a.entries, agendaEntry[K]{key, cl})
}

// order sets the order: what is sorted is a heap.
func (a *agenda[K]) order(before func(a, b K) bool) {
	a.before = before
	if len(a.entries) < 2 {
		return
	}
	slices.SortFunc(a.entries, func(x, y agendaEntry[K]) int {
		if before(x.key, y.key) {
			return -1
		}
		return 1
	})
}

func (a *agenda[K]) empty() bool { return len(a.entries) == 0 }

func (a *agenda[K]) first() (K, *class) { return a.entries[0].key, a.entries[0].class }

// replaceFirst gives the first class a new key, or takes it out.
func (a *agenda[K]) replaceFirst(key K, stays bool) {
	if stays {
		a.entries[0].key = key
	} else {
		last := len(a.entries) - 1
		a.entries[0] = a.entries[last]
		a.entries = a.entries[:last]
	}
	for at := 0; ; {
		least := at
		for _, child := range [...]int{2*at + 1, 2*at + 2} {
			if child < len(a.entries) && a.before(a.entries[child].key, a.entries[least].key) {
				least = child
			}
		}
		if least == at {
			return
		}
		a.entries[at], a.entries[least] = a.entries[least], a.entries[at]
		at = least
	}
}
