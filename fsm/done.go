package fsm

import "muster/task"

// blockSize is how many consecutive ids one sealed block holds: enough to share
// what tasks have in common, few enough to be unpacked and repacked at once.
const blockSize = 64

// block numbers runs of blockSize consecutive ids. Ids start at 1.
type block uint64

func blockOf(id task.ID) block { return block((id - 1) / blockSize) }

func (b block) first() task.ID { return task.ID(b)*blockSize + 1 }

// maxYoung is about how many loose tasks are not packed.
const maxYoung = 1 << 10

// doneTasks holds the done tasks, packed. A block is sealed, that is packed as a
// whole, when all its tasks are done; until then each of its done tasks is loose:
// not packed at first, as most blocks are sealed soon, and later packed alone.
type doneTasks struct {
	young  tree[task.ID, *task.Task]
	loose  tree[task.ID, pack]
	sealed tree[block, pack]
	bytes  int64 // of all packs, and of the young, about
}

func newDoneTasks() doneTasks {
	return doneTasks{young: newTree[task.ID, *task.Task](), loose: newTree[task.ID, pack](), sealed: newTree[block, pack]()}
}

func (d *doneTasks) share() doneTasks {
	return doneTasks{young: d.young.share(), loose: d.loose.share(), sealed: d.sealed.share(), bytes: d.bytes}
}

// youngBytes is about how many bytes a task takes that is not packed.
func youngBytes(t *task.Task) int64 { return 400 + int64(t.Bytes()) }

func (d *doneTasks) setYoung(t *task.Task) {
	d.young.Set(t.ID, t)
	d.bytes += youngBytes(t)
}

func (d *doneTasks) removeYoung(id task.ID) (*task.Task, bool) {
	t, ok := d.young.Delete(id)
	if ok {
		d.bytes -= youngBytes(t)
	}
	return t, ok
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

// take removes a task that is not in a sealed block.
func (d *doneTasks) take(id task.ID) *task.Task {
	if t, ok := d.removeYoung(id); ok {
		return t
	}
	t := d.removeLoose(id).open().task(id, 0)
	return &t
}

// get returns a task; nil if it is not there.
func (d *doneTasks) get(id task.ID) *task.Task {
	if id == 0 {
		return nil
	}
	if t, ok := d.young.Get(id); ok {
		return t
	}
	var t task.Task
	if p, ok := d.sealed.Get(blockOf(id)); ok {
		first := blockOf(id).first()
		t = p.open().task(first, int(id-first))
	} else if p, ok := d.loose.Get(id); ok {
		t = p.open().task(id, 0)
	} else {
		return nil
	}
	return &t
}

// keep files a task that has become done, and seals its block if it was the
// last one.
func (s *State) keep(t *task.Task) {
	b := blockOf(t.ID)
	if s.doneIn[b] < blockSize-1 {
		s.doneIn[b]++
		s.done.setYoung(t)
		s.young = append(s.young, t.ID)
		if len(s.young) >= 2*maxYoung {
			s.age()
		}
		return
	}
	delete(s.doneIn, b)
	tasks := make([]*task.Task, 0, blockSize)
	for id := b.first(); id < b.first()+blockSize; id++ {
		if id == t.ID {
			tasks = append(tasks, t)
			continue
		}
		tasks = append(tasks, s.done.take(id))
	}
	s.done.setSealed(b, s.packer.pack(tasks...))
}

// age packs the older half of the tasks that are young.
func (s *State) age() {
	for _, id := range s.young[:maxYoung] {
		if t, ok := s.done.removeYoung(id); ok {
			s.done.setLoose(id, s.packer.pack(t))
		}
	}
	s.young = append(s.young[:0], s.young[maxYoung:]...)
}
