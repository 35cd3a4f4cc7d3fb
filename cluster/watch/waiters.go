package watch

import "container/heap"

// indexWaiter waits for an index.
type indexWaiter struct {
	index   uint64
	reached chan struct{}
	at      int // in the heap; -1 when it is not there
}

// indexHeap has the waiter for the lowest index on top, so that an entry looks
// only at those whom it wakes.
type indexHeap []*indexWaiter

func (h *indexHeap) add(index uint64) *indexWaiter {
	w := &indexWaiter{index: index, reached: make(chan struct{})}
	heap.Push(h, w)
	return w
}

func (h *indexHeap) remove(w *indexWaiter) {
	if w.at >= 0 {
		heap.Remove(h, w.at)
	}
}

// wake lets go of all that wait for index or less.
func (h *indexHeap) wake(index uint64) {
	for len(*h) > 0 && (*h)[0].index <= index {
		w, _ := heap.Pop(h).(*indexWaiter)
		close(w.reached)
	}
}

// Len, Less, Swap, Push and Pop are heap.Interface's.
func (h indexHeap) Len() int           { return len(h) }
func (h indexHeap) Less(i, j int) bool { return h[i].index < h[j].index }

func (h indexHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push is heap.Interface's.
func (h *indexHeap) Push(x any) {
	w, _ := x.(*indexWaiter)
	w.at = len(*h)
	*h = append(*h, w)
}

// Pop is heap.Interface's.
func (h *indexHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	w.at = -1
	return w
}
