package watch

import (
	"context"

	"muster/fsm"
	"muster/task"
)

// Reader reads what a Hub shows. All methods are safe for concurrent use.
type Reader struct{ hub *Hub }

// Reader returns a reader of the hub.
func (h *Hub) Reader() Reader { return Reader{h} }

// View returns the state as of the last applied entry; it is empty before there is one.
func (r Reader) View() *fsm.View { return r.hub.view.Load() }

// AppliedIndex returns the index of the last applied command entry.
func (r Reader) AppliedIndex() uint64 { return r.View().Index() }

// WaitIndex returns when the View shows the index, or with ctx's error. The
// index must be one of a command entry, as answers carry it: the others are
// never shown.
func (r Reader) WaitIndex(ctx context.Context, index uint64) error {
	h := r.hub
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
func (r Reader) AwaitDone(ctx context.Context, id task.ID) error {
	for {
		ch, done, err := r.hub.watch(id)
		if done || err != nil {
			return err
		}
		select {
		case <-ch: // look again: after a restore the task may be gone
		case <-ctx.Done():
			r.hub.unwatch(id, ch)
			return ctx.Err()
		}
	}
}

// watch returns a channel that closes when the task is done, unless it is.
func (h *Hub) watch(id task.ID) (ch chan struct{}, done bool, err error) {
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

func (h *Hub) unwatch(id task.ID, ch chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.done[id], ch)
	if len(h.done[id]) == 0 {
		delete(h.done, id)
	}
}

// EventsAfter returns at most limit events that follow a position, in log order, and
// a channel that closes when there is more to see. A master holds the newest
// events only, and after its start those since its last snapshot, of a long log only
// those of its newest commands.
func (r Reader) EventsAfter(p Position, limit int) (events []Event, reach Reach, more <-chan struct{}) {
	return r.hub.window.after(p, limit)
}
