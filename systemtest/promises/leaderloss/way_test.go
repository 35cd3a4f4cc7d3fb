package leaderloss_test

import (
	"context"
	"fmt"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/promises/story"
)

// markedKey, markedExpression and markedResult are those of the task that a
// story is about. The key is found in the log entry that records the task, the
// result in the one that records its end.
const (
	markedKey        = "the-task-on-its-way"
	markedExpression = "sleep(2) + 70001"
	markedResult     = "70003"
	markedTakes      = 2 * time.Second
)

var marked = story.Job{Key: markedKey, Expression: markedExpression, Want: evidence.Want{Outcome: client.Succeeded, Result: markedResult}}

// way is a story of one task and one loss. Its slaves have one slot each, so
// that the task goes to the first.
type way struct {
	*story.World
	leader    *story.Master
	followers []*story.Master
	slave     *story.Slave   // the first
	other     *story.Slave   // the second
	first     *story.Started // the client's first submit, at the leader only
}

// setOut forms n masters and two slaves that know each other well.
func setOut(w *story.World, n int) *way {
	w.T.Helper()
	w.Formed(n)
	y := &way{World: w, slave: w.Slave("slave-1", 1), other: w.Slave("slave-2", 1)}
	y.leader = w.Leader()
	y.followers = w.Followers(y.leader)
	for range 2 {
		w.Client.Wait(w.Client.Submit(0).ID)
	}
	w.Sleep(2 * time.Second) // then all masters are in the registry, and a new leader has nothing to write
	return y
}

// submit has the client submit the task at the leader.
func (y *way) submit() { y.first = y.Client.Start(y.Client.Of(y.leader), marked, 3*time.Second) }

// acknowledged waits for the 201.
func (y *way) acknowledged() {
	y.T.Helper()
	<-y.first.Done
	if y.first.Err != nil {
		y.T.Fatalf("the first submit: %v", y.first.Err)
	}
}

// slavePort is where slaves listen.
const slavePort = "90"

// after waits for something that Master.At announced, and a moment longer.
func (y *way) after(came <-chan struct{}) {
	y.T.Helper()
	y.Within(came, "an entry of the log")
	y.Sleep(story.Moment)
}

// running waits until a slave executes the task.
func (y *way) running() {
	y.T.Helper()
	y.acknowledged()
	y.AwaitRuns(y.first.Answer.Task.ID, func(runs []evidence.Run) bool { return len(runs) > 0 })
}

// executed waits until a slave has executed the task.
func (y *way) executed() {
	y.T.Helper()
	y.acknowledged()
	y.AwaitRuns(y.first.Answer.Task.ID, func(runs []evidence.Run) bool { return len(runs) > 0 && !runs[0].Ended.IsZero() })
}

// accepts checks that the given masters accept a write soon after a loss.
func (y *way) accepts(lost time.Time, at ...*story.Master) {
	y.T.Helper()
	y.acceptsWithin(5*time.Second, lost, at...)
}

func (y *way) acceptsWithin(d time.Duration, lost time.Time, at ...*story.Master) {
	y.T.Helper()
	j := y.Client.Sleeping(0)
	c := y.Client.Of(at...)
	y.Await("a write to be accepted", func(ctx context.Context) error {
		_, err := y.Client.Try(ctx, c, j)
		return err
	})
	if gap := time.Since(lost); gap > d {
		y.T.Errorf("the first write was accepted %v after the loss", gap)
	}
}

// repeat submits the task again, with its key, until it is acknowledged.
func (y *way) repeat(at ...*story.Master) client.Task {
	y.T.Helper()
	c := y.Client.Of(at...)
	var answer client.Submitted
	y.Await("the acknowledgement of a repeat", func(ctx context.Context) (err error) {
		answer, err = y.Client.Try(ctx, c, marked)
		return err
	})
	return answer.Task
}

// fills checks that new tasks can fill exactly all slots, at once, when everything before
// has ended: a slave may have waited a little with a report for a master that was lost.
func fills(w *story.World) {
	w.T.Helper()
	w.Await("everything to end", func(context.Context) error {
		if c := w.Status(w.Leader()).Counts; c.InProgress > 0 || c.Pending > 0 {
			return fmt.Errorf("%d tasks are in progress, and %d wait", c.InProgress, c.Pending)
		}
		return nil
	})
	slots := 0
	for _, s := range w.Slaves {
		slots += s.Slots
	}
	ctx, cancel := context.WithTimeout(context.Background(), story.Patience)
	defer cancel()
	for i := range slots {
		if _, err := w.Client.Try(ctx, w.Client.API, w.Client.Sleeping(5*time.Second)); err != nil {
			w.T.Errorf("task %d for %d free slots was refused: %v", i+1, slots, err)
		}
	}
	if _, err := w.Client.Try(ctx, w.Client.API, w.Client.Sleeping(5*time.Second)); story.Code(err) != client.CodeFullCapacity {
		w.T.Errorf("a task beyond all %d slots: %v; want full_capacity", slots, err)
	}
}

// lose tells the story of one loss at one point.
func lose(w *story.World, p point, l story.Loss) {
	w.T.Helper()
	y := setOut(w, 3)
	p.reach(y)
	lost := time.Now()
	l.Strike(y.leader)
	if p.meanwhile != nil {
		p.meanwhile(y)
	}
	y.aftermath(lost, y.followers, y.leader)
	if y.first.Err != nil && (!p.unknown || story.Code(y.first.Err) != client.CodeOutcomeUnknown) {
		w.T.Errorf("the first submit: %v", y.first.Err)
	}
}

// aftermath checks that the masters that are left accept a write soon, find the
// one task by its key, and bring it to its end, by one execution; and that all is
// right when those come back that were lost.
func (y *way) aftermath(lost time.Time, left []*story.Master, gone ...*story.Master) {
	y.T.Helper()
	y.accepts(lost, left...)
	again := y.repeat(left...)
	done := y.Done(again.ID, left...)
	if late := time.Since(lost); late > markedTakes+8*time.Second {
		y.T.Errorf("the task was done %v after the loss, and takes %v", late, markedTakes)
	}
	y.Within(y.first.Done, "the end of the first submit")
	y.Net.PassAll()
	for _, m := range gone {
		m.Mend()
	}
	y.Ready()
	y.Sleep(time.Second) // for what was held back
	for _, m := range gone {
		if once := y.repeat(m); once.ID != again.ID || once.Attempt != done.Attempt {
			y.T.Errorf("a repeat at %s got %+v, before it was %+v", m.ID, once, done)
		}
	}
	if runs := y.Seen.Runs(again.ID); len(runs) != 1 || runs[0].Attempt != 1 {
		y.T.Errorf("the executions are %+v; want one, of attempt 1", runs)
	}
	fills(y.World)
}
