package fsm

import "muster/task"

// View is an immutable picture of the state. Any number of goroutines may use
// it, for as long as they like. The slices inside of what it returns belong to
// the state: they must not be written to.
type View struct {
	tables // never written to again
}

// Index returns the log index of the last command entry in the picture.
func (v *View) Index() uint64 { return v.index }

// Task returns a task.
func (v *View) Task(id task.ID) (task.Task, bool) { return orNone(v.find(id)) }

func orNone(t *task.Task) (task.Task, bool) {
	if t == nil {
		return task.Task{}, false
	}
	return *t, true
}

// TaskByKey returns the task that was submitted with an idempotency key, unless it has
// been forgotten, be it after the picture.
func (v *View) TaskByKey(key string) (task.Task, bool) { return orNone(v.findKey(key)) }

// Counts returns the numbers of tasks.
func (v *View) Counts() task.Counts { return v.counts }

// Capacity sums up the slaves that are alive.
func (v *View) Capacity() task.Capacity { return v.capacity }

// Slaves lists all slaves in registration order.
func (v *View) Slaves() []task.Slave {
	slaves := make([]task.Slave, 0, v.order.Len())
	v.order.Scan(func(_ uint64, name string) bool {
		slave, _ := v.Slave(name)
		slaves = append(slaves, slave)
		return true
	})
	return slaves
}

// Slave returns a slave.
func (v *View) Slave(name string) (task.Slave, bool) {
	record, ok := v.slaves.Get(name)
	if !ok {
		return task.Slave{}, false
	}
	slave := *record
	slave.Busy, _ = v.busy.Get(slave.Order)
	return slave, true
}

// Masters lists the masters by id. Their Role and Voter are not known here.
func (v *View) Masters() []task.Master { return v.masters.Values() }

// Pending yields the tasks that wait, in order of their ids.
func (v *View) Pending(yield func(task.Task) bool) {
	v.pending.Scan(func(_ task.ID, t *task.Task) bool { return yield(*t) })
}

// DoneBytes returns about how many bytes of memory the done tasks take.
func (v *View) DoneBytes() int64 { return v.done.bytes }

// WaitingSince tells since when the oldest task waits for a slave: the one that was
// submitted first of those that are ready at an instant. It is 0 if there is none
// among the first task.MaxExamined pending tasks.
func (v *View) WaitingSince(now task.Millis) task.Millis {
	since, examined := task.Millis(0), 0
	v.pending.Scan(func(_ task.ID, t *task.Task) bool {
		if t.ReadyAt <= now {
			since = max(t.SubmittedAt, t.ReadyAt)
			return false
		}
		examined++
		return examined < task.MaxExamined
	})
	return since
}

// InProgress yields the tasks in progress, in order of their ids.
func (v *View) InProgress(yield func(task.Task) bool) {
	v.inProgress.Scan(func(_ task.ID, t *task.Task) bool { return yield(*t) })
}
