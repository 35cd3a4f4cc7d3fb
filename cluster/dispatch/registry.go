package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/fsm"
	"muster/task"
)

// putSlave takes in a registry entry from the state.
func (c *core) putSlave(rec task.Slave, now time.Time) {
	s := c.slaves[rec.Name]
	if s == nil {
		s = &slaveBook{held: map[task.ID]*attempt{}, dueIndex: -1, seenAt: now}
		c.slaves[rec.Name] = s
	}
	if s.rec.Incarnation != rec.Incarnation {
		s.trust() // it is another process
	}
	if s.rec.Incarnation != rec.Incarnation || rec.State != rec.Present() {
		c.forget(s, now)
	}
	if !slices.Equal(s.rec.Kinds, rec.Kinds) || !slices.Equal(s.rec.Labels, rec.Labels) {
		c.setKinds(s, rec.Kinds, rec.Labels)
	}
	c.nameIncarnation(s.rec.Incarnation, rec.Incarnation, rec.Name)
	if c.urls[s.rec.URL] == s {
		delete(c.urls, s.rec.URL)
	}
	s.rec = rec
	if rec.State == rec.Present() {
		c.urls[rec.URL] = s
	}
	s.noteGone(now)
	c.unpark(s)
	c.refresh(s, now)
	c.touch(s)
}

// nameIncarnation notes that a name's incarnation is another one now; empty for
// none.
func (c *core) nameIncarnation(old, now, name string) {
	if c.incarnations[old] == name {
		delete(c.incarnations, old)
	}
	if now != "" {
		c.incarnations[now] = name
	}
}

// dropSlave drops the book of a slave whose entry is gone. Its attempts were ended
// by the events before.
func (c *core) dropSlave(name string, now time.Time) {
	s := c.slaves[name]
	if s == nil {
		return
	}
	gone := s.rec
	gone.State = task.SlaveLeft // not looked at any more
	c.putSlave(gone, now)
	c.setKinds(s, nil, nil)
	c.nameIncarnation(gone.Incarnation, "", name)
	delete(c.slaves, name)
	c.seen.Delete(name)
}

// forget drops what was known of an incarnation that is gone. Its attempts were
// ended by the events before. The lane stays busy until its request is back.
func (c *core) forget(s *slaveBook, now time.Time) {
	c.release(s, nil)
	s.heard, s.heardAt, s.credit, s.passed = task.Availability{}, time.Time{}, 0, false
	s.seenAt, s.silentSince, s.staleSince, s.failedAt = now, time.Time{}, time.Time{}, time.Time{}
	s.ending = 0
	c.unrefused(s)
	s.knockAt, s.knockedAt = time.Time{}, time.Time{}
	s.lane.queue, s.lane.cancels, s.lane.probe, s.lane.knock, s.lane.witness = nil, nil, false, false, false
	s.lane.retryAt, s.lane.backoff = time.Time{}, 0
}

// register records a slave that was dialled back and answered with the
// availability. An unchanged registration writes nothing.
func (c *core) register(r task.Registration, a task.Availability, now time.Time, reply func(task.Slave, error)) {
	inFull := c.inFull(&r)
	s := c.slaves[r.Name]
	if s != nil && s.rec.State == s.rec.Present() && sameRegistration(s.rec, r) {
		c.hear(s, a, now)
		reply(s.rec, nil)
		return
	}
	if other := c.nameOf(r.Incarnation); other != "" && other != r.Name {
		reply(task.Slave{}, task.Refuse(task.CodeNameTaken, fmt.Sprintf("the slave at %s is registered as %q; one process has one name", r.URL, other)))
		return
	}
	if s == nil || s.rec.Incarnation == r.Incarnation {
		c.enlist(fsm.RegisterSlave{Registration: r, InFull: inFull}, a, reply)
		return
	}
	replaced := s.rec.Incarnation
	c.ends(s, now)
	s.lane.whenSettled(func(time.Time) {
		c.enlist(fsm.RegisterSlave{Registration: r, Begun: s.begun(), InFull: inFull}, a, func(rec task.Slave, err error) {
			c.ended(s, replaced, now)
			reply(rec, err)
		})
	}, now)
}

// inFull tells whether a registration is recorded with labels and version. While a
// master runs an older version that does not know them, the version is left out;
// labels are not: the log refuses them, and says so.
func (c *core) inFull(r *task.Registration) bool {
	older := func(m task.Master) bool { return fsm.Number(m.Commands) < fsm.NumberRegisterSlaveInFull }
	if len(r.Labels) > 0 || !slices.ContainsFunc(c.view().Masters(), older) {
		return true
	}
	r.Version = ""
	return false
}

// nameOf returns the name that an incarnation is registered under, or is about to
// be; empty for none. Under two names, what one of them has would be stopped as
// not the other's.
func (c *core) nameOf(incarnation string) string {
	if name, known := c.incarnations[incarnation]; known {
		return name
	}
	return c.enlisting[incarnation]
}

// enlist proposes a registration.
func (c *core) enlist(cmd fsm.RegisterSlave, a task.Availability, reply func(task.Slave, error)) {
	name, incarnation := cmd.Registration.Name, cmd.Registration.Incarnation
	c.enlisting[incarnation] = name
	c.propose(cmd, func(_ fsm.Outcome, err error, now time.Time) {
		delete(c.enlisting, incarnation)
		rec, ok := c.view().Slave(name)
		if err == nil && !ok {
			err = errors.New("the slave is not in the registry")
		}
		if err != nil {
			reply(task.Slave{}, err)
			return
		}
		if s := c.slaves[name]; s != nil {
			c.hear(s, a, now)
		}
		reply(rec, nil)
	})
}

func sameRegistration(rec task.Slave, r task.Registration) bool {
	return rec.Incarnation == r.Incarnation && rec.URL == r.URL && rec.Slots == r.Slots && slices.Equal(rec.Kinds, r.Kinds) &&
		slices.Equal(rec.Labels, r.Labels) && rec.Version == r.Version
}

// drain records that a slave is to get no tasks, or may again.
func (c *core) drain(name string, drained bool, reply func(task.Slave, error)) {
	var cmd fsm.Command = fsm.UndrainSlave{Slave: name}
	if drained {
		cmd = fsm.DrainSlave{Slave: name}
	}
	c.propose(cmd, func(_ fsm.Outcome, err error, _ time.Time) {
		rec, _ := c.view().Slave(name)
		reply(rec, err)
	})
}

// remove drops a slave from the registry. By force its attempts are given up.
func (c *core) remove(name string, force bool, now time.Time, reply func(task.Slave, error)) {
	s := c.slaves[name]
	switch {
	case s == nil:
		reply(task.Slave{}, noSlave(name))
		return
	case !force:
		c.propose(fsm.RemoveSlave{Slave: name}, func(_ fsm.Outcome, err error, _ time.Time) { reply(s.rec, err) })
		return
	}
	incarnation := s.rec.Incarnation
	c.ends(s, now)
	s.lane.whenSettled(func(time.Time) {
		c.propose(fsm.RemoveSlave{Slave: name, Force: true, Begun: s.begun()}, func(_ fsm.Outcome, err error, now time.Time) {
			c.ended(s, incarnation, now)
			reply(s.rec, err)
		})
	}, now)
}

func noSlave(name string) *task.Error {
	return task.Refuse(task.CodeSlaveNotFound, fmt.Sprintf("no slave is named %q", name))
}

// leave records that a slave has said goodbye.
func (c *core) leave(name, incarnation string, now time.Time, reply func(task.Slave, error)) {
	s := c.slaves[name]
	switch {
	case s == nil:
		reply(task.Slave{}, noSlave(name))
		return
	case s.rec.Incarnation != incarnation:
		reply(task.Slave{}, task.Refuse(task.CodeWrongIncarnation, fmt.Sprintf("slave %q has another incarnation by now", name)))
		return
	case s.rec.State == task.SlaveLeft:
		reply(s.rec, nil)
		return
	}
	c.ends(s, now)
	place := fsm.Place{Slave: name, Incarnation: incarnation}
	s.lane.whenSettled(func(time.Time) {
		c.propose(fsm.LeaveSlave{Place: place, Begun: s.begun()}, func(_ fsm.Outcome, err error, now time.Time) {
			c.ended(s, incarnation, now)
			if err != nil {
				reply(task.Slave{}, err)
				return
			}
			rec, _ := c.view().Slave(name)
			reply(rec, nil)
		})
	}, now)
}
