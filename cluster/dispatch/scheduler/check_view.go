package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/tidwall/btree"

	"muster/task"
)

// againstView holds the books against the state: each task that is not done is in the
// hands of something that moves it.
func (k *recount) againstView() error {
	c := k.c
	var err error
	c.view.InProgress(func(t task.Task) bool {
		at, _ := t.Current()
		s := c.fleet.slaves[t.Slave]
		a := c.attempts.all[t.ID]
		switch {
		case s == nil || s.rec.Incarnation != t.Incarnation:
			err = fmt.Errorf("task %d is in progress on %s of %s, which is not there", t.ID, t.Incarnation, t.Slave)
		case a == nil || a.Attempt != at:
			err = fmt.Errorf("attempt %+v is in progress, and forgotten", at)
		default:
			err = k.deadline(&t)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if got, want := len(c.attempts.all), int(c.view.Counts().InProgress); got != want {
		return differ("attempts", got, want)
	}
	c.view.Pending(func(t task.Task) bool {
		_, aside := c.lines.suspects.Tasks[t.ID]
		_, delayed := c.moments.set.Get(readyMoment(&t))
		inLine := false
		if cl := c.classes.all[keyOf(&t.Spec)]; cl != nil {
			_, inLine = cl.line.pending.byID.Get(t.ID)
		}
		places := 0
		for _, in := range [...]bool{aside, delayed, inLine, k.assigned[t.ID], k.expiring[t.ID] && !k.assigned[t.ID]} {
			if in {
				places++
			}
		}
		if places != 1 {
			err = fmt.Errorf("pending task %d is delayed: %v, in line: %v, being assigned: %v, expiring: %v", t.ID, delayed, inLine, k.assigned[t.ID], k.expiring[t.ID])
		} else {
			err = k.deadline(&t)
		}
		return err == nil
	})
	return err
}

// deadline checks that the deadline of a task that is not done is looked after.
func (k *recount) deadline(t *task.Task) error {
	if t.DeadlineAt() == 0 || k.expiring[t.ID] {
		return nil
	}
	if _, there := k.c.moments.set.Get(deadlineMoment(t)); !there {
		return fmt.Errorf("nobody looks after the deadline of task %d", t.ID)
	}
	return nil
}

func sameSlaves(what string, got, want *btree.Map[uint64, *slaveBook]) error {
	if slices.Equal(got.Keys(), want.Keys()) {
		return nil
	}
	return fmt.Errorf("%s: there are the slaves %v, and should be %v", what, got.Keys(), want.Keys())
}

func differ[T cmp.Ordered](what string, got, want T) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s: it counts %v, and there are %v", what, got, want)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
