package fsm

import "muster/task"

// List returns a page of the tasks that a query selects, in order of their ids.
// It examines at most q.Examine tasks, and ends before its texts exceed
// task.MaxPageBytes: a page may hold fewer tasks than q.Limit, or with filters none,
// and still have a Next.
func (v *View) List(q task.Query) task.Page {
	limit := min(q.Limit, task.MaxPage)
	if limit < 1 {
		limit = task.DefaultPage
	}
	examine := q.Examine
	if examine < 1 {
		examine = task.MaxExamined
	}
	var page task.Page
	last, size := task.ID(0), 0
	for tasks := v.walk(&q); tasks.id() != 0; tasks.step() {
		if len(page.Tasks) == limit || page.Examined == examine {
			page.Next = last
			break
		}
		t := tasks.task()
		page.Examined++
		if q.Matches(&t) {
			size += t.Bytes()
			if size > task.MaxPageBytes && len(page.Tasks) > 0 {
				page.Next = last // the next page begins with this task
				break
			}
			page.Tasks = append(page.Tasks, t)
		}
		last = tasks.id()
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
		all.add(walkLive(v.pending.Map, q))
	}
	if status == 0 || status == task.InProgress {
		all.add(walkLive(v.inProgress.Map, q))
	}
	if status == 0 || status == task.Done {
		all.add(walkLive(v.done.young.Map, q))
		all.add(walkLoose(v.done.loose.Map, q))
		all.add(walkSealed(v.done.sealed.Map, q))
	}
	all.choose()
	return all
}
