package scheduler

import (
	"slices"
	"time"

	"muster/task"
)

// Blame is what the core works on: a submit, or a task that waits.
type Blame struct {
	Submit *Submit
	Task   task.ID
}

func (b Blame) String() string {
	switch {
	case b.Submit != nil:
		return " over the submit of a task"
	case b.Task != 0:
		return " over task " + b.Task.String()
	default:
		return ""
	}
}

// Suspects are what cores before this one panicked over. A submit is refused, a
// waiting task is not given to a slave, until a time.
type Suspects struct {
	Submits []SuspectSubmit
	Tasks   map[task.ID]time.Time
	Window  time.Duration // how long each is suspected
}

// SuspectSubmit is a submit that a core panicked over.
type SuspectSubmit struct {
	Spec  task.Spec
	Key   string
	Until time.Time
}

// include tells whether a core panicked over such a submit.
func (x *Suspects) include(r *Request, now time.Time) bool {
	return slices.ContainsFunc(x.Submits, func(s SuspectSubmit) bool {
		return now.Before(s.Until) && s.Key == r.Key && sameRequest(s.Spec, r.Spec)
	})
}

// lookAtAside takes tasks up again that were set aside.
func (ls *lines) lookAtAside(now time.Time) {
	for id, until := range ls.suspects.Tasks {
		if now.Before(until) {
			continue
		}
		delete(ls.suspects.Tasks, id)
		ls.c.about = Blame{Task: id}
		if t, ok := ls.c.view.Task(id); ok && t.Status == task.Pending {
			ls.addPending(&t)
		}
	}
}

// Suspected is the refusal of a submit that a core panicked over.
func Suspected(window time.Duration) *task.Error {
	return task.Refuse(task.CodeInternal, "the leader failed while it looked at this task, by a mistake in muster that its log tells of; this call recorded nothing, "+
		"and the same task is refused for "+window.String()+": report it, and submit other tasks meanwhile")
}
