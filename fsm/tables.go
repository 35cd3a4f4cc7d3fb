package fsm

import (
	"slices"

	"github.com/tidwall/btree"

	"muster/task"
)

// tables is the data of a State or a View. What the B-trees hold is never
// mutated in place, only replaced.
//
// A B-tree's Copy writes to its source, and its reads don't write: so only the
// goroutine of Apply copies, and a tree in a View is read by all and copied by
// nobody.
//
// A task is in exactly one of pending, inProgress and done.
type tables struct {
	index    uint64 // of the last applied command entry
	counts   task.Counts
	capacity task.Capacity // of the slaves that are alive

	pending    *btree.Map[task.ID, *task.Task]
	inProgress *btree.Map[task.ID, *task.Task]
	done       doneTasks
	keys       keyIndex

	held      *btree.BTreeG[holding] // what is in progress, by slave
	slaves    *btree.Map[string, task.Slave]
	order     *btree.Map[uint64, string] // names of slaves, in registration order
	lastSlave uint64                     // the last place in registration order given
	masters   *btree.Map[string, task.Master]
}

// holding says that a slave, named by its place in registration order, has a
// task in progress.
type holding struct {
	slave uint64
	id    task.ID
}

func (h holding) less(o holding) bool {
	return h.slave < o.slave || h.slave == o.slave && h.id < o.id
}

// slavesDegree is the degree of the tree that holds whole slaves: changing one
// copies its node, so nodes of large values are kept small.
const slavesDegree = 6

func newTables() tables {
	return tables{
		pending:    new(btree.Map[task.ID, *task.Task]),
		inProgress: new(btree.Map[task.ID, *task.Task]),
		done:       newDoneTasks(),
		keys:       newKeyIndex(),
		held:       btree.NewBTreeGOptions(holding.less, btree.Options{NoLocks: true}),
		slaves:     btree.NewMap[string, task.Slave](slavesDegree),
		order:      new(btree.Map[uint64, string]),
		masters:    new(btree.Map[string, task.Master]),
	}
}

// share returns a copy that later changes of t do not touch. It takes a constant
// time.
func (t *tables) share() tables {
	c := *t
	c.pending = t.pending.Copy()
	c.inProgress = t.inProgress.Copy()
	c.done = t.done.share()
	c.keys = t.keys.share()
	c.held = t.held.Copy()
	c.slaves = t.slaves.Copy()
	c.order = t.order.Copy()
	c.masters = t.masters.Copy()
	return c
}

// find returns a task, whatever its status.
func (t *tables) find(id task.ID) (task.Task, bool) {
	if x, ok := t.inProgress.Get(id); ok {
		return *x, true
	}
	if x, ok := t.done.get(id); ok {
		return x, true
	}
	if x, ok := t.pending.Get(id); ok {
		return *x, true
	}
	return task.Task{}, false
}

// findKey returns the task that was submitted with an idempotency key.
func (t *tables) findKey(key string) (task.Task, bool) { return t.findHashed(key, hashKey(key)) }

// findHashed is findKey for a key whose hash is known.
func (t *tables) findHashed(key string, hash uint64) (task.Task, bool) {
	var found task.Task
	ok := false
	t.keys.candidates(hash, func(id task.ID) bool {
		found, ok = t.find(id)
		ok = ok && found.Key == key
		return !ok
	})
	if !ok {
		return task.Task{}, false
	}
	return found, true
}

// heldBy yields the ids of a slave's tasks in progress, in order.
func (t *tables) heldBy(slave uint64, yield func(task.ID) bool) {
	t.held.Ascend(holding{slave: slave}, func(h holding) bool {
		return h.slave == slave && yield(h.id)
	})
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

// occupy books the task's slot on its slave, or with -1 frees it.
func (s *State) occupy(t *task.Task, slots int) {
	slave, _ := s.slaves.Get(t.Slave)
	h := holding{slave: slave.Order, id: t.ID}
	if slots > 0 {
		s.held.Set(h)
	} else {
		s.held.Delete(h)
	}
	changed := slave
	changed.Busy += slots
	s.putSlave(slave, changed)
}

// putSlave replaces a slave's entry (the zero Slave if there was none) and keeps
// the capacity, and what is declared of kinds, in step.
func (s *State) putSlave(old, changed task.Slave) {
	s.count(old, -1)
	s.count(changed, 1)
	if old.State != changed.State || !slices.Equal(old.Kinds, changed.Kinds) { // a slot that is taken changes neither
		s.declare(old, -1)
		s.declare(changed, 1)
	}
	s.slaves.Set(changed.Name, changed)
}

// count adds a slave to the capacity, or with -1 takes it out.
func (s *State) count(x task.Slave, sign int) {
	if x.State != task.SlaveAlive {
		return
	}
	s.capacity.Slaves += sign
	s.capacity.Slots += sign * x.Slots
	s.capacity.Busy += sign * x.Busy
}
