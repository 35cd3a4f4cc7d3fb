package fsm

import (
	"slices"

	"muster/task"
)

// slaveBook is what Apply keeps of a slave, besides its entry in the tables: an entry is
// whole and is copied when it changes, and what a slave has changes all the time.
type slaveBook struct {
	record  *task.Slave          // its entry in the tables
	has     map[task.ID]struct{} // its tasks in progress
	changed bool                 // the tables' busy does not have their number yet
}

// slave returns a slave's entry, with what it has now.
func (s *State) slave(name string) (task.Slave, bool) {
	book, ok := s.books[name]
	if !ok {
		return task.Slave{}, false
	}
	slave := *book.record
	slave.Busy = len(book.has)
	return slave, true
}

// occupy books the task's slot on its slave, or with -1 frees it.
func (s *State) occupy(t *task.Task, slots int) {
	book := s.books[t.Slave]
	if slots > 0 {
		book.has[t.ID] = struct{}{}
	} else {
		delete(book.has, t.ID)
	}
	if book.record.State == task.SlaveAlive {
		s.capacity.Busy += slots
	}
	if !book.changed {
		book.changed = true
		s.changedBooks = append(s.changedBooks, book)
	}
}

// held returns the ids of a slave's tasks in progress, in order.
func (s *State) held(name string) []task.ID {
	book, ok := s.books[name]
	if !ok {
		return nil
	}
	ids := make([]task.ID, 0, len(book.has))
	for id := range book.has {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// settleBusy brings the tables' busy up to date.
func (s *State) settleBusy() {
	for _, book := range s.changedBooks {
		book.changed = false
		if n := len(book.has); n > 0 {
			s.busy.Set(book.record.Order, n)
		} else {
			s.busy.Delete(book.record.Order)
		}
	}
	clear(s.changedBooks)
	s.changedBooks = s.changedBooks[:0]
}

// putSlave replaces a slave's entry (the zero Slave if there was none) and keeps
// the capacity, and what is declared of kinds, in step.
func (s *State) putSlave(old, changed task.Slave) {
	s.count(old, -1)
	s.count(changed, 1)
	if old.State != changed.State || !slices.Equal(old.Kinds, changed.Kinds) {
		s.declare(old, -1)
		s.declare(changed, 1)
	}
	book, ok := s.books[changed.Name]
	if !ok {
		book = &slaveBook{has: make(map[task.ID]struct{})}
		s.books[changed.Name] = book
	}
	changed.Busy = 0 // see slaveBook
	book.record = &changed
	s.slaves.Set(changed.Name, book.record)
}

// dropSlave is the inverse of putSlave for a slave that has nothing.
func (s *State) dropSlave(old task.Slave) {
	s.count(old, -1)
	s.declare(old, -1)
	delete(s.books, old.Name)
	s.slaves.Delete(old.Name)
	s.order.Delete(old.Order)
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
