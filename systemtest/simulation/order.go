package simulation

import (
	"cmp"
	"fmt"
	"slices"

	"muster/fsm"
	"muster/task"
)

// lately is how long ago a delayed task may have become ready, and not be in its line
// yet: expiries that could not be committed hold the others up for so long.
const lately = 1100

// decided holds the assignments of a turn against the order in which tasks wait: by
// priority, then by age, but for the oldest, which goes first now and then. It looks at
// turns after which nothing was left over from before.
func (r *rules) decided(m *master, entry []fsm.Proposal) {
	if !m.readyBefore || !m.followed() || m.stopped {
		return
	}
	waiting := m.waiting()
	for _, p := range entry {
		switch c := p.Command.(type) {
		case fsm.ExpireTask:
			waiting = slices.DeleteFunc(waiting, func(t task.Task) bool { return t.ID == c.ID })
		default:
		}
	}
	for _, p := range entry {
		switch c := p.Command.(type) {
		case fsm.AssignTask:
			waiting = r.leaves(waiting, c.Attempt.ID)
		case fsm.SubmitTask:
			if c.Assign == nil || r.w.script.settings.QuestionTTL == 0 {
				continue // where each asks for itself, who was offered a slot takes it
			}
			for _, t := range waiting {
				if classOf(&t.Spec) == classOf(&c.Spec) {
					r.w.failf("%s takes a slot of %s, and task %d, which could use it, waits", c.Spec.Expression, c.Assign.Slave, t.ID)
				}
			}
		default:
		}
	}
}

// waiting are the tasks that wait for a slave, as far as the master knows, and are not on
// their way to one.
func (m *master) waiting() (out []task.Task) {
	under := map[task.ID]bool{}
	for _, f := range m.flights {
		for _, p := range f.proposals {
			switch c := p.Command.(type) {
			case fsm.AssignTask:
				under[c.Attempt.ID] = true
			case fsm.ExpireTask:
				under[c.ID] = true
			default:
			}
		}
	}
	clock := m.w.clock()
	m.view().Pending(func(t task.Task) bool {
		late := t.DeadlineAt() != 0 && t.DeadlineAt() <= clock
		if !under[t.ID] && !late && (t.ReadyAt == 0 || t.ReadyAt+lately < clock) {
			out = append(out, t)
		}
		return true
	})
	return out
}

// leaves takes a task out of those that wait, and checks that it is its turn.
func (r *rules) leaves(waiting []task.Task, id task.ID) []task.Task {
	at := slices.IndexFunc(waiting, func(t task.Task) bool { return t.ID == id })
	if at < 0 {
		return waiting
	}
	t := waiting[at]
	oldest, first := t, t
	for _, o := range waiting {
		if classOf(&o.Spec) != classOf(&t.Spec) {
			continue
		}
		if o.ID < oldest.ID {
			oldest = o
		}
		if cmp.Or(cmp.Compare(first.Spec.Priority, o.Spec.Priority), cmp.Compare(o.ID, first.ID)) < 0 {
			first = o
		}
	}
	if t.ID != first.ID && t.ID != oldest.ID {
		r.w.failf("task %d (priority %d) goes before task %d (priority %d)", t.ID, t.Spec.Priority, first.ID, first.Spec.Priority)
	}
	return slices.Delete(waiting, at, at+1)
}

func classOf(s *task.Spec) string { return fmt.Sprint(s.Kind, s.Requires) }
