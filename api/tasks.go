package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"muster/api/wire"
	"muster/task"
)

// maxWait bounds a long poll for a task's end.
const maxWait = 5 * time.Minute

// submit records a task and gives it to a slave.
func (s *server) submit(c *gin.Context, q *query) error {
	explain, wait := q.flag("explain"), q.wait("wait", maxWait)
	if q.wrong != nil {
		return q.wrong
	}
	key, err := idempotencyKey(c.Request.Header)
	if err != nil {
		return err
	}
	done, err := s.submitBody(c, key, explain)
	if err != nil {
		return err
	}
	status, message := http.StatusCreated, assigned(&done.Task)
	if done.Existing {
		status, message = http.StatusOK, known(&done.Task)
	}
	if wait > 0 && done.Task.Status != task.Done {
		if t, ok := s.finished(c, done.Task.ID, wait); ok {
			done.Task = t
		}
		if done.Task.Status != task.Done {
			status = http.StatusAccepted
		}
	}
	s.send(c, status, func(b []byte) []byte { return wire.AppendSubmitted(b, message, &done.Task, done.Asked) })
	return nil
}

// submitBody submits the task that a request's body describes.
func (s *server) submitBody(c *gin.Context, key string, explain bool) (Submitted, error) {
	body, err := readBody(s, c, s.decoders.submission)
	if err != nil {
		return Submitted{}, err
	}
	submission, refusal := s.submission(c.Request.Context(), body, key)
	if refusal != nil {
		return Submitted{}, refusal
	}
	submission.Explain = explain
	if !s.shed.enter(time.Now()) {
		return Submitted{}, s.shedOne()
	}
	defer s.shed.leave()
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.CallTimeout)
	defer cancel()
	return s.Backend.Submit(ctx, submission)
}

// submission checks what a client wants and adds what it left open.
func (s *server) submission(ctx context.Context, body wire.Submission, key string) (Submission, *task.Error) {
	spec, refusal := wire.ToSpec(body)
	if refusal != nil {
		return Submission{}, refusal
	}
	if refusal := s.kindName(ctx, spec.Kind); refusal != nil {
		return Submission{}, refusal
	}
	if refusal := checkSpec(&spec); refusal != nil {
		return Submission{}, refusal
	}
	queue := s.QueueWhenFull
	switch body.WhenFull {
	case "":
	case "queue", "reject":
		queue = body.WhenFull == "queue"
	default:
		return Submission{}, invalid("when_full is reject or queue, not %.40q", body.WhenFull)
	}
	return Submission{Spec: spec, Key: key, Queue: queue}, nil
}

// finished waits for a task that was just recorded. What it can't find out is no
// error any more: the task is recorded.
func (s *server) finished(c *gin.Context, id task.ID, wait time.Duration) (task.Task, bool) {
	view, err := s.await(c, id, wait)
	if err != nil {
		return task.Task{}, false
	}
	return view.Task(id)
}

// assigned is the original system's sentence.
func assigned(t *task.Task) string {
	switch {
	case t.Slave != "":
		return "Task successfully assigned to " + t.Slave + "."
	case t.ReadyAt > t.SubmittedAt:
		return "Task " + t.ID.String() + " is recorded and starts at " + wire.Instant(t.ReadyAt).Format(time.RFC3339Nano) + " at the earliest."
	default:
		return "Task " + t.ID.String() + " is recorded and waits for a free slave."
	}
}

func known(t *task.Task) string {
	m := "Task " + t.ID.String() + " was submitted before with this Idempotency-Key; it is "
	switch t.Status {
	case task.InProgress:
		return m + "in progress on " + t.Slave + "."
	case task.Pending, task.Done:
	}
	return m + t.Status.String() + "."
}

// cancelTask ends a task and has its slave stop it.
func (s *server) cancelTask(c *gin.Context, _ *query) error {
	id, err := taskID(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), s.CallTimeout)
	defer cancel()
	t, err := s.Backend.CancelTask(ctx, task.ID(id))
	if err != nil {
		return err
	}
	s.send(c, http.StatusOK, func(b []byte) []byte { return wire.AppendTaskAnswer(b, &t) })
	return nil
}

func taskID(c *gin.Context) (uint64, error) {
	id, err := strconv.ParseUint(c.Param("id"), 10, 64)
	if err != nil {
		return 0, invalid("a task's id is a whole number, not %.40q", c.Param("id"))
	}
	return id, nil
}

// getTask shows one task, and may wait for its end.
func (s *server) getTask(c *gin.Context, q *query) error {
	id, err := taskID(c)
	if err != nil {
		return err
	}
	wait := q.wait("wait", maxWait)
	view, err := s.read(c, q)
	if err != nil {
		return err
	}
	if wait > 0 {
		view = s.appeared(c, id, view, wait)
	}
	t, ok := view.Task(task.ID(id))
	if !ok {
		return s.unknownTask(c, id, view)
	}
	if wait > 0 && t.Status != task.Done {
		if view, err = s.await(c, t.ID, wait); err != nil {
			return err
		}
		if t, ok = view.Task(t.ID); !ok {
			return s.unknownTask(c, id, view) // forgotten while we waited
		}
	}
	release, err := s.place(c, t.Bytes())
	if err != nil {
		return err
	}
	defer release()
	s.stamp(c, view.Index())
	s.send(c, http.StatusOK, func(b []byte) []byte { return wire.AppendTaskAnswer(b, &t) })
	return nil
}

// newTaskWait bounds how long a follower waits for a task that it does not show.
const newTaskWait = 2 * time.Second

// appeared returns a view with the task, if there is one soon: the leader acknowledges
// a task before all followers show it.
func (s *server) appeared(c *gin.Context, id uint64, view View, wait time.Duration) View {
	if _, leads := s.Backend.Leader(); leads || id <= view.Counts().Submitted {
		return view
	}
	ctx, cancel := waiting(c.Request.Context(), min(wait, newTaskWait))
	defer cancel()
	for view.Counts().Submitted < id {
		next, err := s.Backend.Read(ctx, ReadOptions{MinIndex: view.Index() + 1})
		if err != nil {
			break // the view is what there is
		}
		view = next
	}
	return view
}

// unknownTask says that there is no such task, if this master can tell.
func (s *server) unknownTask(c *gin.Context, id uint64, view View) error {
	s.stamp(c, view.Index())
	e := view.Counts().Missing(task.ID(id))
	if e.Code == task.CodeTaskNotFound && id != 0 {
		_, leads := s.Backend.Leader()
		if err := s.Backend.Ready(); err != nil {
			e = task.Refuse(task.CodeNotCaughtUp, fmt.Sprintf("this master shows no task %d, but may be behind (%s); ask another master", id, err))
		} else if !leads { // a frozen or cut off follower is ready by what it knows
			e.Message = fmt.Sprintf("this master shows no task %d yet: it follows, and may be behind the leader; "+
				"ask with consistency=linearizable, or with min_index and the Muster-Index of the answer that named the task", id)
		}
	}
	e.Task = task.ID(id)
	return e
}

// await returns a view in which the task is done, or one from the end of the wait.
func (s *server) await(c *gin.Context, id task.ID, wait time.Duration) (View, error) {
	s.extend(c, wait)
	ctx, cancel := waiting(c.Request.Context(), wait)
	defer cancel()
	if err := s.Backend.AwaitTask(ctx, id); err != nil && ctx.Err() == nil {
		return nil, err
	}
	return s.Backend.Read(c.Request.Context(), ReadOptions{})
}

// listTasks shows a page of tasks.
func (s *server) listTasks(c *gin.Context, q *query) error {
	return s.page(c, q, task.DefaultPage, wire.AppendTask)
}

// listTasksSimply is the original system's list.
func (s *server) listTasksSimply(c *gin.Context, q *query) error {
	return s.page(c, q, task.MaxPage, wire.AppendTaskSimply)
}

// page answers with a page of tasks, each as show appends it.
func (s *server) page(c *gin.Context, q *query, defaultLimit int, show func([]byte, *task.Task) []byte) error {
	selection := q.page(defaultLimit)
	view, err := s.read(c, q)
	if err != nil {
		return err
	}
	s.stamp(c, view.Index())
	l := s.list(c)
	defer l.close()
	l.text(`{"tasks":[`)
	next, err := l.tasks(view, selection, show)
	if err != nil {
		return err
	}
	rest := struct {
		Next   string      `json:"next,omitempty"`
		Counts wire.Counts `json:"counts"`
	}{Counts: wire.FromCounts(view.Counts())}
	if next != 0 {
		rest.Next = q.formatCursor(next, selection.Descending)
	}
	return l.end(rest)
}

// tasks adds the tasks of a page, and returns the cursor of the next.
func (l *listing) tasks(view View, selection task.Query, show func([]byte, *task.Task) []byte) (next task.ID, err error) {
	wanted, examine := selection.Limit, task.MaxExamined
	for {
		selection.Limit, selection.Examine = wanted-l.items, examine
		page := view.List(selection)
		texts := 0
		for i := range page.Tasks {
			texts += page.Tasks[i].Bytes()
		}
		if err := l.grow(texts); err != nil {
			return 0, err
		}
		for i := range page.Tasks {
			add := func(b []byte) []byte { return show(b, &page.Tasks[i]) }
			if fits, err := l.item(add, maxPageBytes); err != nil || !fits {
				return selection.After, err
			}
			selection.After = page.Tasks[i].ID
		}
		examine -= page.Examined
		if page.Next == 0 || l.items == wanted || examine <= 0 {
			return page.Next, nil
		}
		selection.After = page.Next
	}
}

// read returns a view as consistent as the call asks, once all its parameters
// are known to be right.
func (s *server) read(c *gin.Context, q *query) (View, error) {
	opts := ReadOptions{
		MinIndex:     q.index("min_index"),
		Linearizable: q.oneOf("consistency", "local", "linearizable") == "linearizable",
	}
	if q.wrong != nil {
		return nil, q.wrong
	}
	if opts == (ReadOptions{}) {
		return s.Backend.Read(c.Request.Context(), opts)
	}
	limit := s.IndexWait
	if opts.Linearizable {
		limit = max(limit, s.CallTimeout)
	}
	ctx, cancel := waiting(c.Request.Context(), limit)
	defer cancel()
	return s.Backend.Read(ctx, opts)
}
