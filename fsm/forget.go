package fsm

import (
	"slices"

	"muster/task"
)

// forgetTasks drops done tasks up to an id, but for those that stay.
func (s *State) forgetTasks(x ForgetTasks) {
	stays := func(id task.ID) bool {
		_, kept := slices.BinarySearch(x.Keep, id)
		return kept || id > x.UpTo
	}
	for {
		b, p, ok := s.done.sealed.Min()
		if !ok || b.first() > x.UpTo {
			break
		}
		s.unseal(b, p, stays)
	}
	var gone []task.ID
	leave := func(id task.ID) bool {
		if !stays(id) {
			gone = append(gone, id)
		}
		return id < x.UpTo
	}
	s.done.loose.Scan(func(id task.ID, _ pack) bool { return leave(id) })
	s.done.young.Scan(func(id task.ID, _ *task.Task) bool { return leave(id) })
	for _, id := range gone {
		s.forget(s.done.take(id))
		b := blockOf(id)
		if s.doneIn[b]--; s.doneIn[b] == 0 {
			delete(s.doneIn, b)
		}
	}
}

// unseal takes a block apart of which not all tasks stay. Those that do are loose
// again, and stay so: a block is sealed only while it has all its tasks.
func (s *State) unseal(b block, p pack, stays func(task.ID) bool) {
	s.done.removeSealed(b)
	tasks := p.open()
	for i := range blockSize {
		id := b.first() + task.ID(i)
		t := tasks.task(b.first(), i)
		if !stays(id) {
			s.forget(&t)
			continue
		}
		s.done.setLoose(id, s.packer.pack(&t))
		s.doneIn[b]++
	}
}

// forget counts a done task that is dropped, and drops its key.
func (s *State) forget(t *task.Task) {
	s.counts.Forgotten++
	if t.Key != "" {
		s.keys.remove(s.keys.of(t))
	}
}
