package scheduler

import (
	"time"

	"github.com/tidwall/btree"

	"muster/fsm"
	"muster/task"
)

const (
	// momentsEvery is how often the cluster's clock is looked at while something
	// waits for it: it may be set forward.
	momentsEvery = time.Second
	// maxExpiring bounds the tasks whose expiry is on its way.
	maxExpiring = 1024
	// expirePause is the wait after an expiry that could not be committed.
	expirePause = time.Second
)

// moment is when something is due by the cluster's clock: a delayed task may be
// given to a slave, or a task that is not done expires.
type moment struct {
	at       task.Millis
	id       task.ID
	deadline bool
}

func (m moment) before(o moment) bool {
	switch {
	case m.at != o.at:
		return m.at < o.at
	case m.id != o.id:
		return m.id < o.id
	default:
		return m.deadline && !o.deadline // what expires is not started any more
	}
}

func readyMoment(t *task.Task) moment    { return moment{at: t.ReadyAt, id: t.ID} }
func deadlineMoment(t *task.Task) moment { return moment{at: t.DeadlineAt(), id: t.ID, deadline: true} }

// moments are what waits for the cluster's clock. They hold the deadlines of tasks
// that are not done, and the pending tasks that are delayed.
type moments struct {
	c        *Core
	set      *btree.BTreeG[moment]
	expiring int       // expiries on their way
	paused   time.Time // no more expiries before
	wake     time.Time // when to look again; zero: nothing waits
}

func newMoments(c *Core) moments {
	return moments{c: c, set: btree.NewBTreeGOptions(moment.before, btree.Options{NoLocks: true})}
}

// watch notes the deadline of a task that is not done.
func (m *moments) watch(t *task.Task) {
	if t.DeadlineAt() != 0 {
		m.set.Set(deadlineMoment(t))
	}
}

// unwatch forgets the deadline of a task that is done.
func (m *moments) unwatch(t *task.Task) {
	if t.DeadlineAt() != 0 {
		m.set.Delete(deadlineMoment(t))
	}
}

// delay has a pending task wait until it is ready, and tells whether it has to.
func (m *moments) delay(t *task.Task) bool {
	if t.ReadyAt <= m.c.clock {
		return false
	}
	m.set.Set(readyMoment(t))
	return true
}

// undelay takes a task out of those that are delayed, and tells whether it was
// there.
func (m *moments) undelay(t *task.Task) bool {
	_, there := m.set.Delete(readyMoment(t))
	return there
}

// look moves the tasks that are ready into their lines, and expires those
// whose deadline has passed.
func (m *moments) look(now time.Time) {
	clock := m.c.clock
	m.wake = time.Time{}
	for next, some := m.set.Min(); some; next, some = m.set.Min() {
		if next.at > clock {
			m.wake = now.Add(min(momentsEvery, time.Duration(next.at-clock)*time.Millisecond))
			return
		}
		if next.deadline && now.Before(m.paused) {
			m.wake = m.paused
			return
		}
		if next.deadline && m.expiring >= maxExpiring {
			return // the fate of those on their way wakes the loop
		}
		m.set.Delete(next)
		m.c.about = Blame{Task: next.id}
		t, ok := m.c.view.Task(next.id)
		switch {
		case !ok || t.Status == task.Done:
		case next.deadline:
			m.expire(&t)
		case t.Status == task.Pending:
			m.c.lines.addPending(&t)
		}
	}
}

// expire proposes that a task ends because its deadline has passed. It is given to
// no slave meanwhile.
func (m *moments) expire(t *task.Task) {
	m.c.lines.dropPending(t)
	m.expiring++
	m.c.log.propose(fsm.ExpireTask{ID: t.ID}, expiring{t.ID})
}

// expiring is the expiry of a task on its way into the log.
type expiring struct{ id task.ID }

func (f expiring) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	c.moments.expiring--
	if err == nil || c.stopped {
		return
	}
	if t, ok := c.view.Task(f.id); ok && t.Status != task.Done {
		c.moments.paused = now.Add(expirePause)
		c.moments.watch(&t)
		if t.Status == task.Pending {
			c.lines.addPending(&t)
		}
	}
}

// untimely refuses what a submit says of time if it can't be.
func (d *desk) untimely(spec *task.Spec) *task.Error {
	now := d.c.clock
	deadline := spec.Deadline.From(now)
	switch {
	case deadline == 0:
		return nil
	case deadline <= now:
		return task.Refuse(task.CodeInvalidRequest, "the deadline has passed already, by the cluster's clock; give a later one")
	case deadline <= spec.NotBefore.From(now):
		return task.Refuse(task.CodeInvalidRequest, "the deadline is not after not_before: the task would expire before it may start")
	default:
		return nil
	}
}

// isDelayed tells whether a submit's task has to wait before it may start. It is
// then recorded as pending, whatever is free.
func (d *desk) isDelayed(spec *task.Spec) bool {
	now := d.c.clock
	return spec.NotBefore.From(now) > now
}
