package fsm

import (
	"fmt"
	"slices"
	"strconv"

	"muster/task"
)

func (s *State) registerSlave(x RegisterSlave, c *change) *task.Error {
	r := x.Registration
	if x.InFull {
		if err := s.conflict(r); err != nil {
			return err
		}
	}
	old, known := s.slave(r.Name)
	slave := old
	switch {
	case !known:
		s.lastSlave++
		slave = task.Slave{Order: s.lastSlave, RegisteredAt: c.at}
		s.order.Set(slave.Order, r.Name)
	case old.Incarnation != r.Incarnation:
		s.giveUpAll(r.Name, x.Begun, "slave "+strconv.Quote(r.Name)+" started anew", c)
		old, _ = s.slave(r.Name) // its slots are free now
		slave = old
		slave.RegisteredAt = c.at
	case old.State == old.Present() && old.URL == r.URL && old.Slots == r.Slots && slices.Equal(old.Kinds, r.Kinds) &&
		slices.Equal(old.Labels, r.Labels) && old.Version == r.Version:
		return nil
	}
	slave.Name, slave.URL, slave.Slots = r.Name, r.URL, r.Slots
	slave.Incarnation, slave.Kinds, slave.Labels, slave.Version = r.Incarnation, r.Kinds, r.Labels, r.Version
	slave.State = slave.Present()
	slave.Index = c.index
	s.putSlave(old, slave)
	c.tell(Event{Kind: SlaveRegistered, Slave: &slave})
	return nil
}

// conflict refuses a slave that declares a kind otherwise than another one does
// that is present: whether its tasks may run again would hang on who registered
// first.
func (s *State) conflict(r task.Registration) *task.Error {
	if !s.contradicted(r) {
		return nil
	}
	var err *task.Error
	s.slaves.Scan(func(name string, other *task.Slave) bool {
		if name == r.Name || other.State != other.Present() {
			return true
		}
		if k, ok := other.Contradicts(r.Kinds); ok {
			err = task.Refuse(task.CodeKindConflict, fmt.Sprintf("slave %s declares kind %s as %s, and slave %s, which is %s, as %s; "+
				"give the kind one meaning, or stop that slave first", strconv.Quote(r.Name), strconv.Quote(k.Name), k.Meaning(),
				strconv.Quote(name), other.State, task.Kind{Idempotent: !k.Idempotent}.Meaning()))
		}
		return err == nil
	})
	return err
}

// contradicted reports whether another slave that is present declares one of the
// kinds otherwise. It looks at no other slave, so that ten thousand that register
// do not look at each other.
func (s *State) contradicted(r task.Registration) bool {
	own, _ := s.slave(r.Name)
	for _, k := range r.Kinds {
		other := task.Kind{Name: k.Name, Idempotent: !k.Idempotent}
		n := s.declared[other]
		if own.State == own.Present() {
			for _, has := range own.Kinds {
				if has == other {
					n--
				}
			}
		}
		if n > 0 {
			return true
		}
	}
	return false
}

// declare counts what a slave that is present declares, or with -1 takes it back.
func (s *State) declare(x task.Slave, sign int) {
	if x.State != x.Present() {
		return
	}
	for _, k := range x.Kinds {
		if s.declared[k] += sign; s.declared[k] == 0 {
			delete(s.declared, k)
		}
	}
}

func (s *State) loseSlave(x LoseSlave, c *change) *task.Error {
	book, err := s.incarnation(x.Place)
	if err != nil {
		return err
	}
	slave := book.record
	if slave.State == task.SlaveLost || slave.State == task.SlaveLeft {
		return nil // it has nothing that could be given up
	}
	s.sendOff(slave.Name, task.SlaveLost, x.Begun, x.Reason, c)
	return nil
}

func (s *State) leaveSlave(x LeaveSlave, c *change) *task.Error {
	book, err := s.incarnation(x.Place)
	if err != nil {
		return err
	}
	slave := book.record
	if slave.State == task.SlaveLeft {
		return nil
	}
	s.sendOff(slave.Name, task.SlaveLeft, x.Begun, "slave "+strconv.Quote(slave.Name)+" left", c)
	return nil
}

// sendOff gives up all that a slave has and marks it lost or left.
func (s *State) sendOff(name string, state task.SlaveState, begun []task.Attempt, reason string, c *change) {
	s.giveUpAll(name, begun, reason, c)
	old, _ := s.slave(name) // its slots are free now
	gone := old
	gone.State = state
	gone.Index = c.index
	s.putSlave(old, gone)
	c.tell(Event{Kind: SlaveGone, Slave: &gone})
}

// giveUpAll gives up all attempts of a slave's current incarnation, in the order
// of their ids. Those that begun does not name never began.
func (s *State) giveUpAll(name string, begun []task.Attempt, reason string, c *change) {
	began := make(map[task.Attempt]bool, len(begun))
	for _, a := range begun {
		began[a] = true
	}
	for _, id := range s.held(name) {
		old, _ := s.inProgress.Get(id)
		a, _ := old.Current()
		t, err := old.GiveUp(a, began[a], reason, c.at)
		if err != nil {
			panic("fsm: an attempt that a slave holds is not current: " + err.Error())
		}
		s.end(old, &t, a, c)
	}
}

func (s *State) drainSlave(name string, drained bool, c *change) *task.Error {
	old, ok := s.slave(name)
	if !ok {
		return noSlave(name)
	}
	if old.Drained == drained {
		return nil
	}
	slave := old
	slave.Drained = drained
	if old.State == old.Present() {
		slave.State = slave.Present()
	}
	slave.Index = c.index
	s.putSlave(old, slave)
	c.tell(Event{Kind: SlaveRegistered, Slave: &slave})
	return nil
}

func (s *State) removeSlave(x RemoveSlave, c *change) *task.Error {
	slave, ok := s.slave(x.Slave)
	switch {
	case !ok:
		return noSlave(x.Slave)
	case slave.Busy > 0 && !x.Force:
		return task.Refuse(task.CodeSlaveBusy, fmt.Sprintf("slave %s has %d tasks; drain it and wait, or remove it by force, "+
			"which gives them to others", strconv.Quote(x.Slave), slave.Busy))
	}
	s.giveUpAll(x.Slave, x.Begun, "slave "+strconv.Quote(x.Slave)+" was removed", c)
	slave, _ = s.slave(x.Slave) // its slots are free now
	s.dropSlave(slave)
	c.tell(Event{Kind: SlaveRemoved, Slave: &slave})
	return nil
}

func noSlave(name string) *task.Error {
	return task.Refuse(task.CodeSlaveNotFound, "there is no slave "+strconv.Quote(name))
}

// incarnation returns the book of a slave if the place names its current
// incarnation. With wrong_incarnation it returns the book too.
func (s *State) incarnation(p Place) (*slaveBook, *task.Error) {
	book, ok := s.books[p.Slave]
	if !ok {
		return nil, noSlave(p.Slave)
	}
	if book.record.Incarnation != p.Incarnation {
		return book, task.Refuse(task.CodeWrongIncarnation, "slave "+strconv.Quote(p.Slave)+" runs as incarnation "+
			strconv.Quote(book.record.Incarnation)+", not as "+strconv.Quote(p.Incarnation))
	}
	return book, nil
}
