package fsm

import (
	"fmt"
	"strconv"

	"muster/task"
)

func (s *State) submitTask(x *SubmitTask, c *change) *task.Error {
	hash := uint64(0)
	if x.Key != "" {
		hash = s.keys.hash(x.Key)
		if t := s.keyed(x.Key, hash); t != nil {
			return again(t, x, c)
		}
	}
	if x.Assign != nil {
		if err := s.room(*x.Assign, &x.Spec); err != nil {
			return err
		}
	}
	s.counts.Submitted++
	t := task.New(task.ID(s.counts.Submitted), x.Spec, x.Key, c.at)
	t.Index = c.index
	if x.Key != "" {
		s.keys.add(keyEntry{hash: hash, id: t.ID})
	}
	c.tell(Event{Kind: TaskSubmitted, Task: &t})
	if x.Assign != nil {
		a := task.Attempt{ID: t.ID, Attempt: 1, Slave: x.Assign.Slave, Incarnation: x.Assign.Incarnation}
		var err *task.Error
		if t, err = t.Assign(a, c.at); err != nil {
			panic("fsm: a new task can't be assigned: " + err.Error())
		}
		c.tell(Event{Kind: TaskAssigned, Task: &t, Attempt: a})
	}
	s.enter(&t)
	if c.outcome != nil {
		c.outcome.Task = &t
	}
	return nil
}

// again answers a submit whose key is known.
func again(t *task.Task, x *SubmitTask, c *change) *task.Error {
	if !t.Spec.Equal(&x.Spec) {
		err := task.Refuse(task.CodeKeyReused,
			"the idempotency key was used for task "+t.ID.String()+", which is another one; use a new key for a new task")
		err.Task = t.ID
		return err
	}
	if c.outcome != nil {
		c.outcome.Task, c.outcome.Existing = t, true
	}
	return nil
}

func (s *State) assignTask(x *AssignTask, c *change) *task.Error {
	old, err := s.known(x.Attempt.ID)
	if err != nil {
		return err
	}
	t, err := old.Assign(x.Attempt, c.at)
	if err != nil {
		return err
	}
	if err = s.room(Place{Slave: x.Attempt.Slave, Incarnation: x.Attempt.Incarnation}, &t.Spec); err != nil {
		return err
	}
	s.move(old, &t, TaskAssigned, x.Attempt, c)
	return nil
}

func (s *State) completeTask(x *CompleteTask, c *change) *task.Error {
	old, err := s.known(x.Attempt.ID)
	if err != nil {
		return err
	}
	if old.Repeats(x.Attempt, x.Result) {
		return nil
	}
	t, err := old.Complete(x.Attempt, x.Result, c.at)
	if err != nil {
		return err
	}
	s.end(old, &t, x.Attempt, c)
	return nil
}

func (s *State) giveUpAttempt(x *GiveUpAttempt, c *change) *task.Error {
	old, err := s.known(x.Attempt.ID)
	if err != nil {
		return err
	}
	t, err := old.GiveUp(x.Attempt, x.Began, x.Reason, c.at)
	if err != nil {
		return err
	}
	s.end(old, &t, x.Attempt, c)
	return nil
}

func (s *State) cancelTask(x CancelTask, c *change) *task.Error {
	old, err := s.known(x.ID)
	if err != nil {
		return err
	}
	t, err := old.Cancel(c.at)
	if err != nil {
		return err
	}
	s.stop(old, &t, c)
	if c.outcome != nil {
		c.outcome.Task = &t
	}
	return nil
}

func (s *State) expireTask(x ExpireTask, c *change) *task.Error {
	old, err := s.known(x.ID)
	if err != nil {
		return err
	}
	t, err := old.Expire(c.at)
	if err != nil {
		return err
	}
	s.stop(old, &t, c)
	return nil
}

// stop files a task that was ended from outside.
func (s *State) stop(old, t *task.Task, c *change) {
	a, _ := old.Current()
	s.move(old, t, TaskStopped, a, c)
}

// end files what an attempt's end made of its task: done, or pending again.
func (s *State) end(old, t *task.Task, a task.Attempt, c *change) {
	kind := TaskGivenUp
	if t.Status == task.Done {
		kind = TaskDone
	}
	s.move(old, t, kind, a, c)
}

// move replaces a task by what a move of package task made of it.
func (s *State) move(old, t *task.Task, kind EventKind, a task.Attempt, c *change) {
	t.Index = c.index
	s.exit(old)
	s.enter(t)
	c.tell(Event{Kind: kind, Task: t, Attempt: a})
}

func (s *State) known(id task.ID) (*task.Task, *task.Error) {
	t := s.find(id)
	if t == nil {
		return nil, s.counts.Missing(id)
	}
	return t, nil
}

// room checks that an incarnation of a slave can take one more task like spec.
func (s *State) room(p Place, spec *task.Spec) *task.Error {
	book, err := s.incarnation(p)
	if err != nil && err.Code == task.CodeSlaveNotFound {
		return err
	}
	slave, busy := book.record, len(book.has)
	if slave.State != task.SlaveAlive {
		return task.Refuse(task.CodeSlaveNotAlive, "slave "+strconv.Quote(p.Slave)+" is "+slave.State.String()+" and takes no tasks")
	}
	if err != nil {
		return err
	}
	if !slave.Runs(spec.Kind) {
		return task.Refuse(task.CodeNoSlaveForKind, "slave "+strconv.Quote(p.Slave)+" does not run tasks of kind "+strconv.Quote(spec.Kind))
	}
	if !task.HasLabels(slave.Labels, spec.Requires) {
		return task.Refuse(task.CodeLabelsMissing, "slave "+strconv.Quote(p.Slave)+" has not all labels that the task requires")
	}
	if busy >= slave.Slots {
		return task.Refuse(task.CodeSlaveFull,
			fmt.Sprintf("slave %q is full: %d of %d slots are taken", p.Slave, busy, slave.Slots))
	}
	return nil
}
