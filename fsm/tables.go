package fsm

import "muster/task"

// tables is the data of a State or a View. What the trees hold is never mutated in
// place, only replaced.
//
// A tree's copying writes to its source, and its reads don't write: so only the
// goroutine of Apply copies, and a tree in a View is read by all and copied by
// nobody.
//
// A task is in exactly one of pending, inProgress and done.
type tables struct {
	index    uint64 // of the last applied command entry
	counts   task.Counts
	capacity task.Capacity // of the slaves that are alive

	pending    tree[task.ID, *task.Task]
	inProgress tree[task.ID, *task.Task]
	done       doneTasks
	keys       *keyIndex // shared by a State and its views

	slaves    tree[string, *task.Slave] // without Busy
	busy      tree[uint64, int]         // their Busy, where it is not 0, by their places in the order; see State.Show
	order     tree[uint64, string]      // names of slaves, in registration order
	lastSlave uint64                    // the last place in registration order given
	masters   tree[string, task.Master]
}

func newTables() tables {
	return tables{
		pending:    newTree[task.ID, *task.Task](),
		inProgress: newTree[task.ID, *task.Task](),
		done:       newDoneTasks(),
		keys:       newKeyIndex(),
		slaves:     newTree[string, *task.Slave](),
		busy:       newTree[uint64, int](),
		order:      newTree[uint64, string](),
		masters:    newTree[string, task.Master](),
	}
}

// share returns a copy that later changes of t do not touch. It takes a constant
// time.
func (t *tables) share() tables {
	c := *t
	c.pending = t.pending.share()
	c.inProgress = t.inProgress.share()
	c.done = t.done.share()
	c.slaves = t.slaves.share()
	c.busy = t.busy.share()
	c.order = t.order.share()
	c.masters = t.masters.share()
	return c
}

// find returns a task, whatever its status; nil if there is none.
func (t *tables) find(id task.ID) *task.Task {
	if x, ok := t.inProgress.Get(id); ok {
		return x
	}
	if x := t.done.get(id); x != nil {
		return x
	}
	x, _ := t.pending.Get(id)
	return x
}

// findKey returns the task that was submitted with an idempotency key; nil if there is
// none.
func (t *tables) findKey(key string) *task.Task { return t.keyed(key, t.keys.hash(key)) }

// keyed is findKey for a key whose hash is known.
func (t *tables) keyed(key string, hash uint64) *task.Task {
	var found *task.Task
	t.keys.candidates(hash, func(id task.ID) bool {
		if x := t.find(id); x != nil && x.Key == key {
			found = x
		}
		return found == nil
	})
	return found
}

// enter files a task, which nobody writes to any more, under its status.
func (s *State) enter(t *task.Task) {
	switch t.Status {
	case task.Pending:
		s.pending.Set(t.ID, t)
		s.counts.Pending++
	case task.InProgress:
		s.inProgress.Set(t.ID, t)
		s.counts.InProgress++
		s.occupy(t, 1)
	case task.Done:
		s.keep(t)
		s.counts.Done++
	}
}

// exit is the inverse of enter for a task that is not done; done is for ever.
func (s *State) exit(t *task.Task) {
	switch t.Status {
	case task.Pending:
		s.pending.Delete(t.ID)
		s.counts.Pending--
	case task.InProgress:
		s.inProgress.Delete(t.ID)
		s.counts.InProgress--
		s.occupy(t, -1)
	case task.Done:
	}
}
