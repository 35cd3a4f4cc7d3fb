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
func (fl *fleet) putSlave(rec task.Slave, now time.Time) {
	s := fl.slaves[rec.Name]
	if s == nil {
		s = &slaveBook{held: map[task.ID]*attempt{}, dueIndex: -1, seenAt: now}
		fl.slaves[rec.Name] = s
	}
	if s.rec.Incarnation != rec.Incarnation {
		s.trust() // it is another process
	}
	if s.rec.Incarnation != rec.Incarnation || rec.State != rec.Present() {
		fl.forget(s, now)
	}
	if !slices.Equal(s.rec.Kinds, rec.Kinds) || !slices.Equal(s.rec.Labels, rec.Labels) {
		fl.c.classes.setKinds(s, rec.Kinds, rec.Labels)
	}
	fl.nameIncarnation(s.rec.Incarnation, rec.Incarnation, rec.Name)
	if fl.urls[s.rec.URL] == s {
		delete(fl.urls, s.rec.URL)
	}
	s.rec = rec
	if rec.State == rec.Present() {
		fl.urls[rec.URL] = s
	}
	s.noteGone(now)
	fl.c.lines.unpark(s)
	fl.refresh(s, now)
	fl.c.outbox.touch(s)
}

// nameIncarnation notes that a name's incarnation is another one now; empty for
// none.
func (fl *fleet) nameIncarnation(old, now, name string) {
	if fl.incarnations[old] == name {
		delete(fl.incarnations, old)
	}
	if now != "" {
		fl.incarnations[now] = name
	}
}

// dropSlave drops the book of a slave whose entry is gone. Its attempts were ended
// by the events before.
func (fl *fleet) dropSlave(name string, now time.Time) {
	s := fl.slaves[name]
	if s == nil {
		return
	}
	gone := s.rec
	gone.State = task.SlaveLeft // not looked at any more
	fl.putSlave(gone, now)
	fl.c.classes.setKinds(s, nil, nil)
	fl.nameIncarnation(gone.Incarnation, "", name)
	delete(fl.slaves, name)
	fl.c.out.Dropped = append(fl.c.out.Dropped, name)
}

// forget drops what was known of an incarnation that is gone. Its attempts were
// ended by the events before. The lane stays busy until its request is back.
func (fl *fleet) forget(s *slaveBook, now time.Time) {
	fl.c.lines.release(s, nil)
	s.heard, s.heardAt, s.credit, s.passed = task.Availability{}, time.Time{}, 0, false
	s.seenAt, s.silentSince, s.staleSince, s.failedAt = now, time.Time{}, time.Time{}, time.Time{}
	fl.c.liveness.unrefused(s)
	s.knockAt, s.knockedAt = time.Time{}, time.Time{}
	s.lane.queue, s.lane.cancels, s.lane.probe, s.lane.knock, s.lane.witness = nil, nil, false, false, false
	s.lane.retryAt, s.lane.backoff = time.Time{}, 0
}

// register records a slave that was dialled back and answered with the
// availability. An unchanged registration writes nothing. call may be nil.
func (fl *fleet) register(call *Call, r task.Registration, a task.Availability, now time.Time) {
	inFull := fl.inFull(&r)
	s := fl.slaves[r.Name]
	if s != nil && s.rec.State == s.rec.Present() && sameRegistration(s.rec, r) {
		fl.hear(s, a, now)
		call.answer(fl.c, s.rec, nil)
		return
	}
	if other := fl.nameOf(r.Incarnation); other != "" && other != r.Name {
		call.answer(fl.c, task.Slave{}, task.Refuse(task.CodeNameTaken, fmt.Sprintf("the slave at %s is registered as %q; one process has one name", r.URL, other)))
		return
	}
	e := enlisting{call: call, cmd: fsm.RegisterSlave{Registration: r, InFull: inFull}, word: a}
	if s == nil || s.rec.Incarnation == r.Incarnation {
		e.proceed(fl.c)
		return
	}
	e.instead = s
	fl.c.liveness.ends(s, now)
	fl.c.outbox.whenSettled(s, e)
}

// inFull tells whether a registration is recorded with labels and version. While a
// master runs an older version that does not know them, the version is left out;
// labels are not: the log refuses them, and says so.
func (fl *fleet) inFull(r *task.Registration) bool {
	older := func(m task.Master) bool { return fsm.Number(m.Commands) < fsm.NumberRegisterSlaveInFull }
	if len(r.Labels) > 0 || !slices.ContainsFunc(fl.c.view.Masters(), older) {
		return true
	}
	r.Version = ""
	return false
}

// nameOf returns the name that an incarnation is registered under, or is about to
// be; empty for none. Under two names, what one of them has would be stopped as
// not the other's.
func (fl *fleet) nameOf(incarnation string) string {
	if name, known := fl.incarnations[incarnation]; known {
		return name
	}
	return fl.enlisting[incarnation]
}

// enlisting is a registration on its way into the log.
type enlisting struct {
	call *Call
	cmd  fsm.RegisterSlave
	word task.Availability

	instead *slaveBook // another incarnation of it ends with this; nil for none
}

func (f enlisting) proceed(c *Core) {
	if f.instead != nil {
		f.cmd.Begun = f.instead.begun()
	}
	c.fleet.enlisting[f.cmd.Registration.Incarnation] = f.cmd.Registration.Name
	c.log.propose(f.cmd, f)
}

func (f enlisting) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	name := f.cmd.Registration.Name
	delete(c.fleet.enlisting, f.cmd.Registration.Incarnation)
	rec, ok := c.view.Slave(name)
	if err == nil && !ok {
		err = errors.New("the slave is not in the registry")
	}
	if s := c.fleet.slaves[name]; err == nil && s != nil {
		c.fleet.hear(s, f.word, now)
	}
	if f.instead != nil {
		c.liveness.ended(f.instead, now)
	}
	if err != nil {
		rec = task.Slave{}
	}
	f.call.answer(c, rec, err)
}

func sameRegistration(rec task.Slave, r task.Registration) bool {
	return rec.Incarnation == r.Incarnation && rec.URL == r.URL && rec.Slots == r.Slots && slices.Equal(rec.Kinds, r.Kinds) &&
		slices.Equal(rec.Labels, r.Labels) && rec.Version == r.Version
}

// drain records that a slave is to get no tasks, or may again.
func (fl *fleet) drain(call *Call, name string, drained bool) {
	var cmd fsm.Command = fsm.UndrainSlave{Slave: name}
	if drained {
		cmd = fsm.DrainSlave{Slave: name}
	}
	fl.c.log.propose(cmd, slaveDraining{call, name})
}

// slaveDraining is that on its way into the log.
type slaveDraining struct {
	call *Call
	name string
}

func (f slaveDraining) settle(c *Core, _ fsm.Outcome, err error, _ time.Time) {
	rec, _ := c.view.Slave(f.name)
	f.call.answer(c, rec, err)
}

// remove drops a slave from the registry. By force its attempts are given up.
func (fl *fleet) remove(call *Call, name string, force bool, now time.Time) {
	s := fl.slaves[name]
	if s == nil {
		call.answer(fl.c, task.Slave{}, noSlave(name))
		return
	}
	r := removing{call: call, s: s, force: force}
	if !force {
		r.proceed(fl.c)
		return
	}
	fl.c.liveness.ends(s, now)
	fl.c.outbox.whenSettled(s, r)
}

// removing is the removal of a slave on its way into the log.
type removing struct {
	call  *Call
	s     *slaveBook
	force bool
}

func (f removing) proceed(c *Core) {
	cmd := fsm.RemoveSlave{Slave: f.s.rec.Name, Force: f.force}
	if f.force {
		cmd.Begun = f.s.begun()
	}
	c.log.propose(cmd, f)
}

func (f removing) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	if f.force {
		c.liveness.ended(f.s, now)
	}
	f.call.answer(c, f.s.rec, err)
}

func noSlave(name string) *task.Error {
	return task.Refuse(task.CodeSlaveNotFound, fmt.Sprintf("no slave is named %q", name))
}

// leave records that a slave has said goodbye.
func (fl *fleet) leave(call *Call, name, incarnation string, now time.Time) {
	s := fl.slaves[name]
	switch {
	case s == nil:
		call.answer(fl.c, task.Slave{}, noSlave(name))
		return
	case s.rec.Incarnation != incarnation:
		call.answer(fl.c, task.Slave{}, task.Refuse(task.CodeWrongIncarnation, fmt.Sprintf("slave %q has another incarnation by now", name)))
		return
	case s.rec.State == task.SlaveLeft:
		call.answer(fl.c, s.rec, nil)
		return
	}
	fl.c.liveness.ends(s, now)
	fl.c.outbox.whenSettled(s, slaveLeaving{call, s, incarnation})
}

// slaveLeaving is a slave's goodbye on its way into the log.
type slaveLeaving struct {
	call        *Call
	s           *slaveBook
	incarnation string
}

func (f slaveLeaving) proceed(c *Core) {
	place := fsm.Place{Slave: f.s.rec.Name, Incarnation: f.incarnation}
	c.log.propose(fsm.LeaveSlave{Place: place, Begun: f.s.begun()}, f)
}

func (f slaveLeaving) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	c.liveness.ended(f.s, now)
	if err != nil {
		f.call.answer(c, task.Slave{}, err)
		return
	}
	rec, _ := c.view.Slave(f.s.rec.Name)
	f.call.answer(c, rec, nil)
}
