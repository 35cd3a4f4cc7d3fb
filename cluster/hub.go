package cluster

import (
	"context"
	"sync"
	"sync/atomic"

	"muster/fsm"
	"muster/task"
)

// hub is where Apply shows its work: the view, those who wait for something in
// it, and those who follow every event. Publishing one entry is atomic for all
// of them and never blocks on a reader.
type hub struct {
	view   atomic.Pointer[fsm.View]
	window *window

	mu      sync.Mutex                             // held while an entry is published
	indexes indexHeap                              // under mu
	done    map[task.ID]map[chan struct{}]struct{} // under mu
	writers map[*Writer]struct{}                   // under mu
}

func newHub(v *fsm.View) *hub {
	h := &hub{
		done: map[task.ID]map[chan struct{}]struct{}{}, writers: map[*Writer]struct{}{},
		window: newWindow(v.Index(), windowEvents, windowBytes, eventBytes),
	}
	h.view.Store(v)
	return h
}

// entryOutcomes are an entry's outcomes.
type entryOutcomes struct {
	index    uint64
	outcomes []fsm.Outcome
}

// size is how much has to be remembered of them: one for each outcome and each event.
func (e entryOutcomes) size() int {
	n := len(e.outcomes)
	for i := range e.outcomes {
		n += len(e.outcomes[i].Events)
	}
	return n
}

// publish shows the view after some entries, and their outcomes.
func (h *hub) publish(v *fsm.View, entries ...entryOutcomes) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.view.Store(v)
	h.window.add(entries...)
	h.indexes.wake(v.Index())
	for _, e := range entries {
		h.tell(e.outcomes)
	}
	for w := range h.writers {
		w.push(entries)
	}
}

// tell wakes those who wait for what an entry did.
func (h *hub) tell(outcomes []fsm.Outcome) {
	for i := range outcomes {
		events := outcomes[i].Events
		for j := range events {
			if events[j].Kind == fsm.TaskDone || events[j].Kind == fsm.TaskStopped {
				h.wakeDone(events[j].Task.ID)
			}
		}
	}
}

// replace shows a view that came from a snapshot: what lies between is not
// known, so waiters are looked at one by one and followers must start again.
func (h *hub) replace(v *fsm.View) {
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
	for w := range h.writers {
		w.skipped()
	}
}

// follow has a Writer told of every entry after the returned view.
func (h *hub) follow(w *Writer) *fsm.View {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writers[w] = struct{}{}
	return h.view.Load()
}

func (h *hub) unfollow(w *Writer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.writers, w)
}

func (h *hub) wakeDone(id task.ID) {
	for ch := range h.done[id] {
		close(ch)
	}
	delete(h.done, id)
}

// View returns the state as of the last applied entry. It is empty before Run.
func (n *Node) View() *fsm.View { return n.hub.view.Load() }

// AppliedIndex returns the index of the last applied command entry.
func (n *Node) AppliedIndex() uint64 { return n.View().Index() }

// WaitIndex returns when the View shows the index, or with ctx's error. The
// index must be one of a command entry, as answers carry it: the others are
// never shown.
func (n *Node) WaitIndex(ctx context.Context, index uint64) error {
	h := n.hub
	h.mu.Lock()
	if h.view.Load().Index() >= index {
		h.mu.Unlock()
		return nil
	}
	w := h.indexes.add(index)
	h.mu.Unlock()
	select {
	case <-w.reached:
		return nil
	case <-ctx.Done():
		h.mu.Lock()
		defer h.mu.Unlock()
		h.indexes.remove(w)
		return ctx.Err()
	}
}

// AwaitDone returns when the View shows the task as done, or with ctx's error.
// A task that is not there is CodeTaskNotFound.
func (n *Node) AwaitDone(ctx context.Context, id task.ID) error {
	for {
		ch, done, err := n.hub.watch(id)
		if done || err != nil {
			return err
		}
		select {
		case <-ch: // look again: after a restore the task may be gone
		case <-ctx.Done():
			n.hub.unwatch(id, ch)
			return ctx.Err()
		}
	}
}

// watch returns a channel that closes when the task is done, unless it is.
func (h *hub) watch(id task.ID) (ch chan struct{}, done bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t, ok := h.view.Load().Task(id)
	if !ok {
		return nil, false, h.view.Load().Counts().Missing(id)
	}
	if t.Status == task.Done {
		return nil, true, nil
	}
	ch = make(chan struct{})
	if h.done[id] == nil {
		h.done[id] = map[chan struct{}]struct{}{}
	}
	h.done[id][ch] = struct{}{}
	return ch, false, nil
}

func (h *hub) unwatch(id task.ID, ch chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.done[id], ch)
	if len(h.done[id]) == 0 {
		delete(h.done, id)
	}
}
