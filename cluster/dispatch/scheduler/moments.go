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
	set      *btree.BTreeG[moment]
	expiring int       // expiries on their way
	paused   time.Time // no more expiries before
	wake     time.Time // when to look again; zero: nothing waits
}

func newMoments() moments {
	return moments{set: btree.NewBTreeGOptions(moment.before, btree.Options{NoLocks: true})}
}

// watch notes the deadline of a task that is not done.
func (c *Core) watch(t *task.Task) {
	if t.DeadlineAt() != 0 {
		c.moments.set.Set(deadlineMoment(t))
	}
}

// unwatch forgets the deadline of a task that is done.
func (c *Core) unwatch(t *task.Task) {
	if t.DeadlineAt() != 0 {
		c.moments.set.Delete(deadlineMoment(t))
	}
}

// delay has a pending task wait until it is ready, and tells whether it has to.
func (c *Core) delay(t *task.Task) bool {
	if t.ReadyAt <= c.clock {
		return false
	}
	c.moments.set.Set(readyMoment(t))
	return true
}

// undelay takes a task out of those that are delayed, and tells whether it was
// there.
func (c *Core) undelay(t *task.Task) bool {
	_, there := c.moments.set.Delete(readyMoment(t))
	return there
}

// lookAtMoments moves the tasks that are ready into their lines, and expires those
// whose deadline has passed.
func (c *Core) lookAtMoments(now time.Time) {
	m, clock := &c.moments, c.clock
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
		c.about = Blame{Task: next.id}
		t, ok := c.view.Task(next.id)
		switch {
		case !ok || t.Status == task.Done:
		case next.deadline:
			c.expire(&t)
		case t.Status == task.Pending:
			c.addPending(&t)
		}
	}
}

// expire proposes that a task ends because its deadline has passed. It is given to
// no slave meanwhile.
func (c *Core) expire(t *task.Task) {
	c.dropPending(t)
	c.moments.expiring++
	c.propose(fsm.ExpireTask{ID: t.ID}, expiring{t.ID})
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
		c.watch(&t)
		if t.Status == task.Pending {
			c.addPending(&t)
		}
	}
}

// untimely refuses what a submit says of time if it can't be.
func (c *Core) untimely(spec *task.Spec) *task.Error {
	now := c.clock
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
func (c *Core) isDelayed(spec *task.Spec) bool {
	now := c.clock
	return spec.NotBefore.From(now) > now
}
