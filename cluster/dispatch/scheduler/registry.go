package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/fsm"
	"muster/task"
)

// putSlave takes in a registry entry from the state.
func (c *Core) putSlave(rec task.Slave, now time.Time) {
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
func (c *Core) nameIncarnation(old, now, name string) {
	if c.incarnations[old] == name {
		delete(c.incarnations, old)
	}
	if now != "" {
		c.incarnations[now] = name
	}
}

// dropSlave drops the book of a slave whose entry is gone. Its attempts were ended
// by the events before.
func (c *Core) dropSlave(name string, now time.Time) {
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
	c.out.Dropped = append(c.out.Dropped, name)
}

// forget drops what was known of an incarnation that is gone. Its attempts were
// ended by the events before. The lane stays busy until its request is back.
func (c *Core) forget(s *slaveBook, now time.Time) {
	c.release(s, nil)
	s.heard, s.heardAt, s.credit, s.passed = task.Availability{}, time.Time{}, 0, false
	s.seenAt, s.silentSince, s.staleSince, s.failedAt = now, time.Time{}, time.Time{}, time.Time{}
	s.ending = 0
	c.unrefused(s)
	s.knockAt, s.knockedAt = time.Time{}, time.Time{}
	s.lane.queue, s.lane.cancels, s.lane.probe, s.lane.knock, s.lane.witness = nil, nil, false, false, false
	s.lane.retryAt, s.lane.backoff = time.Time{}, 0
}

// Register records a slave that was dialled back and answered with the
// availability. An unchanged registration writes nothing. call may be nil.
func (c *Core) Register(call *Call, r task.Registration, a task.Availability, now time.Time) {
	inFull := c.inFull(&r)
	s := c.slaves[r.Name]
	if s != nil && s.rec.State == s.rec.Present() && sameRegistration(s.rec, r) {
		c.hear(s, a, now)
		c.answerSlave(call, s.rec, nil)
		return
	}
	if other := c.nameOf(r.Incarnation); other != "" && other != r.Name {
		c.answerSlave(call, task.Slave{}, task.Refuse(task.CodeNameTaken, fmt.Sprintf("the slave at %s is registered as %q; one process has one name", r.URL, other)))
		return
	}
	e := enlisting{call: call, cmd: fsm.RegisterSlave{Registration: r, InFull: inFull}, word: a}
	if s == nil || s.rec.Incarnation == r.Incarnation {
		e.proceed(c)
		return
	}
	e.instead, e.replaced = s, s.rec.Incarnation
	c.ends(s, now)
	c.whenSettled(s, e)
}

// inFull tells whether a registration is recorded with labels and version. While a
// master runs an older version that does not know them, the version is left out;
// labels are not: the log refuses them, and says so.
func (c *Core) inFull(r *task.Registration) bool {
	older := func(m task.Master) bool { return fsm.Number(m.Commands) < fsm.NumberRegisterSlaveInFull }
	if len(r.Labels) > 0 || !slices.ContainsFunc(c.view.Masters(), older) {
		return true
	}
	r.Version = ""
	return false
}

// nameOf returns the name that an incarnation is registered under, or is about to
// be; empty for none. Under two names, what one of them has would be stopped as
// not the other's.
func (c *Core) nameOf(incarnation string) string {
	if name, known := c.incarnations[incarnation]; known {
		return name
	}
	return c.enlisting[incarnation]
}

// enlisting is a registration on its way into the log.
type enlisting struct {
	call *Call
	cmd  fsm.RegisterSlave
	word task.Availability

	instead  *slaveBook // another incarnation of it ends with this; nil for none
	replaced string     // that incarnation
}

func (f enlisting) proceed(c *Core) {
	if f.instead != nil {
		f.cmd.Begun = f.instead.begun()
	}
	c.enlisting[f.cmd.Registration.Incarnation] = f.cmd.Registration.Name
	c.propose(f.cmd, f)
}

func (f enlisting) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	name := f.cmd.Registration.Name
	delete(c.enlisting, f.cmd.Registration.Incarnation)
	rec, ok := c.view.Slave(name)
	if err == nil && !ok {
		err = errors.New("the slave is not in the registry")
	}
	if s := c.slaves[name]; err == nil && s != nil {
		c.hear(s, f.word, now)
	}
	if f.instead != nil {
		c.ended(f.instead, f.replaced, now)
	}
	if err != nil {
		rec = task.Slave{}
	}
	c.answerSlave(f.call, rec, err)
}

func sameRegistration(rec task.Slave, r task.Registration) bool {
	return rec.Incarnation == r.Incarnation && rec.URL == r.URL && rec.Slots == r.Slots && slices.Equal(rec.Kinds, r.Kinds) &&
		slices.Equal(rec.Labels, r.Labels) && rec.Version == r.Version
}

// Drain records that a slave is to get no tasks, or may again.
func (c *Core) Drain(call *Call, name string, drained bool) {
	var cmd fsm.Command = fsm.UndrainSlave{Slave: name}
	if drained {
		cmd = fsm.DrainSlave{Slave: name}
	}
	c.propose(cmd, slaveDraining{call, name})
}

// slaveDraining is that on its way into the log.
type slaveDraining struct {
	call *Call
	name string
}

func (f slaveDraining) settle(c *Core, _ fsm.Outcome, err error, _ time.Time) {
	rec, _ := c.view.Slave(f.name)
	c.answerSlave(f.call, rec, err)
}

// Remove drops a slave from the registry. By force its attempts are given up.
func (c *Core) Remove(call *Call, name string, force bool, now time.Time) {
	s := c.slaves[name]
	if s == nil {
		c.answerSlave(call, task.Slave{}, noSlave(name))
		return
	}
	r := removing{call: call, s: s, incarnation: s.rec.Incarnation, force: force}
	if !force {
		r.proceed(c)
		return
	}
	c.ends(s, now)
	c.whenSettled(s, r)
}

// removing is the removal of a slave on its way into the log.
type removing struct {
	call        *Call
	s           *slaveBook
	incarnation string
	force       bool
}

func (f removing) proceed(c *Core) {
	cmd := fsm.RemoveSlave{Slave: f.s.rec.Name, Force: f.force}
	if f.force {
		cmd.Begun = f.s.begun()
	}
	c.propose(cmd, f)
}

func (f removing) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	if f.force {
		c.ended(f.s, f.incarnation, now)
	}
	c.answerSlave(f.call, f.s.rec, err)
}

func noSlave(name string) *task.Error {
	return task.Refuse(task.CodeSlaveNotFound, fmt.Sprintf("no slave is named %q", name))
}

// Leave records that a slave has said goodbye.
func (c *Core) Leave(call *Call, name, incarnation string, now time.Time) {
	s := c.slaves[name]
	switch {
	case s == nil:
		c.answerSlave(call, task.Slave{}, noSlave(name))
		return
	case s.rec.Incarnation != incarnation:
		c.answerSlave(call, task.Slave{}, task.Refuse(task.CodeWrongIncarnation, fmt.Sprintf("slave %q has another incarnation by now", name)))
		return
	case s.rec.State == task.SlaveLeft:
		c.answerSlave(call, s.rec, nil)
		return
	}
	c.ends(s, now)
	c.whenSettled(s, slaveLeaving{call, s, incarnation})
}

// slaveLeaving is a slave's goodbye on its way into the log.
type slaveLeaving struct {
	call        *Call
	s           *slaveBook
	incarnation string
}

func (f slaveLeaving) proceed(c *Core) {
	place := fsm.Place{Slave: f.s.rec.Name, Incarnation: f.incarnation}
	c.propose(fsm.LeaveSlave{Place: place, Begun: f.s.begun()}, f)
}

func (f slaveLeaving) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	c.ended(f.s, f.incarnation, now)
	if err != nil {
		c.answerSlave(f.call, task.Slave{}, err)
		return
	}
	rec, _ := c.view.Slave(f.s.rec.Name)
	c.answerSlave(f.call, rec, nil)
}
