package watch

import (
	"sync"
	"sync/atomic"

	"muster/fsm"
	"muster/task"
)

// Hub has the view, those who wait for something in it, and those who follow every
// event. Publishing one entry is atomic for all of them and never blocks on a reader.
// All methods are safe for concurrent use.
type Hub struct {
	view   atomic.Pointer[fsm.View]
	window *window

	mu        sync.Mutex                             // held while an entry is published
	indexes   indexHeap                              // under mu
	done      map[task.ID]map[chan struct{}]struct{} // under mu
	followers map[Follower]struct{}                  // under mu
}

// A Follower is told of all that is published. Its methods must not wait for anybody:
// whoever applies the log waits for them.
type Follower interface {
	// Push takes in entries that were applied. Nobody sees them in the View before.
	Push(entries []Entry)
	// Skip takes in that entries were applied which nobody can tell of.
	Skip()
}

// NewHub returns a hub that shows a view.
func NewHub(v *fsm.View) *Hub {
	h := &Hub{
		done: map[task.ID]map[chan struct{}]struct{}{}, followers: map[Follower]struct{}{},
		window: newWindow(v.Index(), WindowEvents, windowBytes, eventBytes),
	}
	h.view.Store(v)
	return h
}

// Entry is an entry of commands that was applied.
type Entry struct {
	Index    uint64
	Outcomes []fsm.Outcome
}

// Publish shows the view after some entries, and their outcomes.
func (h *Hub) Publish(v *fsm.View, entries ...Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.view.Store(v)
	h.window.add(entries...)
	h.indexes.wake(v.Index())
	for _, e := range entries {
		h.tell(e.Outcomes)
	}
	for f := range h.followers {
		f.Push(entries)
	}
}

// tell wakes those who wait for what an entry did.
func (h *Hub) tell(outcomes []fsm.Outcome) {
	for i := range outcomes {
		events := outcomes[i].Events
		for j := range events {
			if events[j].Kind == fsm.TaskDone || events[j].Kind == fsm.TaskStopped {
				h.wakeDone(events[j].Task.ID)
			}
		}
	}
}

// Replace shows a view that came from a snapshot: what lies between is not
// known, so waiters are looked at one by one and followers must start again.
func (h *Hub) Replace(v *fsm.View) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.view.Store(v)
	h.window.restart(v.Index())
	h.indexes.wake(v.Index())
	for id := range h.done {
		if t, ok := v.Task(id); !ok || t.Status == task.Done {
			h.wakeDone(id)
		}
	}
	for f := range h.followers {
		f.Skip()
	}
}

// Follow has a Follower told of every entry after the returned view.
func (h *Hub) Follow(f Follower) *fsm.View {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.followers[f] = struct{}{}
	return h.view.Load()
}

// Unfollow ends that. It may be repeated.
func (h *Hub) Unfollow(f Follower) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.followers, f)
}

func (h *Hub) wakeDone(id task.ID) {
	for ch := range h.done[id] {
		close(ch)
	}
	delete(h.done, id)
}
