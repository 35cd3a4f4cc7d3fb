package fsm

import (
	"github.com/tidwall/btree"

	"muster/task"
)

// blockSize is how many consecutive ids one sealed block holds: enough to share
// what tasks have in common, few enough to be unpacked and repacked at once.
const blockSize = 64

// block numbers runs of blockSize consecutive ids. Ids start at 1.
type block uint64

func blockOf(id task.ID) block { return block((id - 1) / blockSize) }

func (b block) first() task.ID { return task.ID(b)*blockSize + 1 }

// doneTasks holds the done tasks, packed. A block is sealed, that is packed as a
// whole, when all its tasks are done; until then each of its done tasks is loose,
// packed alone.
type doneTasks struct {
	loose  *btree.Map[task.ID, pack]
	sealed *btree.Map[block, pack]
	bytes  int64 // of all packs
}

func newDoneTasks() doneTasks {
	return doneTasks{loose: new(btree.Map[task.ID, pack]), sealed: new(btree.Map[block, pack])}
}

func (d doneTasks) share() doneTasks {
	return doneTasks{loose: d.loose.Copy(), sealed: d.sealed.Copy(), bytes: d.bytes}
}

func (d *doneTasks) setLoose(id task.ID, p pack) {
	d.loose.Set(id, p)
	d.bytes += int64(len(p))
}

func (d *doneTasks) removeLoose(id task.ID) pack {
	p, _ := d.loose.Delete(id)
	d.bytes -= int64(len(p))
	return p
}

func (d *doneTasks) setSealed(b block, p pack) {
	d.sealed.Set(b, p)
	d.bytes += int64(len(p))
}

func (d *doneTasks) removeSealed(b block) {
	p, _ := d.sealed.Delete(b)
	d.bytes -= int64(len(p))
}

func (d doneTasks) get(id task.ID) (task.Task, bool) {
	if id == 0 {
		return task.Task{}, false
	}
	b := blockOf(id)
	if p, ok := d.sealed.Get(b); ok {
		return p.open().task(b.first(), int(id-b.first())), true
	}
	if p, ok := d.loose.Get(id); ok {
		return p.open().task(id, 0), true
	}
	return task.Task{}, false
}

// keep files a task that has become done, and seals its block if it was the
// last one.
func (s *State) keep(t *task.Task) {
	b := blockOf(t.ID)
	if s.doneIn[b] < blockSize-1 {
		s.doneIn[b]++
		s.done.setLoose(t.ID, s.packer.pack(*t))
		return
	}
	delete(s.doneIn, b)
	tasks := make([]task.Task, 0, blockSize)
	for id := b.first(); id < b.first()+blockSize; id++ {
		if id == t.ID {
			tasks = append(tasks, *t)
			continue
		}
		tasks = append(tasks, s.done.removeLoose(id).open().task(id, 0))
	}
	s.done.setSealed(b, s.packer.pack(tasks...))
}
