package fsm

import "muster/task"

// List returns a page of the tasks that a query selects, in order of their ids.
// It examines at most task.MaxExamined tasks: a page with filters may hold few
// tasks, or none, and still have a Next.
func (v *View) List(q task.Query) task.Page {
	limit := min(q.Limit, task.MaxPage)
	if limit < 1 {
		limit = task.DefaultPage
	}
	var page task.Page
	last := task.ID(0)
	tasks := v.walk(&q)
	for examined := 0; tasks.id() != 0; examined++ {
		if len(page.Tasks) == limit || examined == task.MaxExamined {
			page.Next = last
			break
		}
		last = tasks.id()
		if t := tasks.task(); q.Matches(&t) {
			page.Tasks = append(page.Tasks, t)
		}
		tasks.step()
	}
	return page
}

// walk returns a walk over the tasks that a query may match, from its cursor on,
// by the shortest way: those that it names, those of its status, or all.
func (v *View) walk(q *task.Query) walk {
	status := q.Status
	if q.Outcome != task.NoOutcome || !q.Finished.IsZero() {
		if status != 0 && status != task.Done {
			return &merged{} // only a done task has an outcome, and an end
		}
		status = task.Done
	}
	switch {
	case q.Key != "":
		return v.walkKey(q)
	case q.IDs != nil:
		return v.walkNamed(q.IDs, q)
	case status == task.InProgress && q.Slave != "":
		return v.walkHeld(q)
	}
	all := &merged{descending: q.Descending}
	if status == 0 || status == task.Pending {
		all.add(walkLive(v.pending, q))
	}
	if status == 0 || status == task.InProgress {
		all.add(walkLive(v.inProgress, q))
	}
	if status == 0 || status == task.Done {
		all.add(walkLoose(v.done.loose, q))
		all.add(walkSealed(v.done.sealed, q))
	}
	all.choose()
	return all
}
