package promises_test

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// A leader can be lost at each point of a task's way (leaderloss_points_test.go),
// in each of these ways.
type loss struct {
	name   string
	strike func(m *master)
}

var losses = []loss{
	{"crashes", (*master).crash},   // its connections end, its port refuses
	{"vanishes", (*master).vanish}, // silence
	{"is cut off", (*master).cut},  // and believes for a moment that it leads
	{"is alone", (*master).alone},  // cut off from masters only: slaves and clients hear it
	{"is paused", (*master).pause}, // and wakes believing that it leads
	{handsOver, (*master).resign},  // an orderly end
}

const handsOver = "hands over"

// resign ends the run as SIGTERM does: leadership is handed over first.
func (m *master) resign() {
	if err := m.halt(); err != nil {
		m.w.t.Errorf("%s ended with: %v", m.id, err)
	}
}

// mend undoes whatever loss it was; what was held back for or by the master
// arrives.
func (m *master) mend() {
	m.w.t.Helper()
	m.disk.watch(nil)
	m.resume()
	if m.process != nil && m.hasEnded() {
		_ = m.ends() // its disk was held for so long that it gave up
	}
	if m.process == nil {
		m.start()
	}
}

func (m *master) hasEnded() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// markedKey, markedExpression and markedResult are those of the task that a
// story is about. The key is found in the log entry that records the task, the
// result in the one that records its end.
const (
	markedKey        = "the-task-on-its-way"
	markedExpression = "sleep(2) + 70001"
	markedResult     = "70003"
	markedTakes      = 2 * time.Second
)

var marked = job{key: markedKey, expression: markedExpression, want: evidence.Want{Outcome: client.Succeeded, Result: markedResult}}

// way is a story of one task and one loss. Its slaves have one slot each, so
// that the task goes to the first.
type way struct {
	*world
	leader    *master
	followers []*master
	slave     *slave   // the first
	other     *slave   // the second
	first     *started // the client's first submit, at the leader only
}

// setOut forms n masters and two slaves that know each other well.
func setOut(w *world, n int) *way {
	w.t.Helper()
	w.formed(n)
	y := &way{world: w, slave: w.slave("slave-1", 1), other: w.slave("slave-2", 1)}
	y.leader = w.leader()
	y.followers = w.followers(y.leader)
	for range 2 {
		w.client.wait(w.client.submit(0).ID)
	}
	w.sleep(2 * time.Second) // then all masters are in the registry, and a new leader has nothing to write
	return y
}

// submit has the client submit the task at the leader.
func (y *way) submit() { y.first = y.client.start(y.client.of(y.leader), marked, 3*time.Second) }

// acknowledged waits for the 201.
func (y *way) acknowledged() {
	y.t.Helper()
	<-y.first.done
	if y.first.err != nil {
		y.t.Fatalf("the first submit: %v", y.first.err)
	}
}

// at calls do when an entry of the log that contains the text comes to the
// master's disk, before it is written; the channel is closed after that.
func (m *master) at(text string, do func()) <-chan struct{} {
	came := make(chan struct{})
	m.disk.watch(func(entries []*raft.Log) {
		for _, e := range entries {
			if !isDone(came) && bytes.Contains(e.Data, []byte(text)) {
				do()
				close(came)
			}
		}
	})
	return came
}

func isDone(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// slavePort is where slaves listen.
const slavePort = "90"

// moment is longer than a commit takes and shorter than a leader's lease.
const moment = 20 * time.Millisecond

// after waits for something that at announced, and a moment longer.
func (y *way) after(came <-chan struct{}) {
	y.t.Helper()
	y.within(came, "an entry of the log")
	y.sleep(moment)
}

func (w *world) within(ch <-chan struct{}, what string) {
	w.t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		w.t.Fatalf("waited %v for %s", patience, what)
	}
}

// running waits until a slave executes the task.
func (y *way) running() {
	y.t.Helper()
	y.acknowledged()
	y.awaitRuns(y.first.answer.Task.ID, func(runs []evidence.Run) bool { return len(runs) > 0 })
}

// executed waits until a slave has executed the task.
func (y *way) executed() {
	y.t.Helper()
	y.acknowledged()
	y.awaitRuns(y.first.answer.Task.ID, func(runs []evidence.Run) bool { return len(runs) > 0 && !runs[0].Ended.IsZero() })
}

func (w *world) awaitRuns(id uint64, enough func([]evidence.Run) bool) {
	w.t.Helper()
	w.await(fmt.Sprintf("an execution of task %d", id), func(context.Context) error {
		if runs := w.seen.Runs(id); !enough(runs) {
			return fmt.Errorf("the executions are %+v", runs)
		}
		return nil
	})
}

// accepts checks that the given masters accept a write soon after a loss.
func (y *way) accepts(lost time.Time, at ...*master) {
	y.t.Helper()
	y.acceptsWithin(5*time.Second, lost, at...)
}

func (y *way) acceptsWithin(d time.Duration, lost time.Time, at ...*master) {
	y.t.Helper()
	j := y.client.sleeping(0)
	c := y.client.of(at...)
	y.await("a write to be accepted", func(ctx context.Context) error {
		_, err := y.client.try(ctx, c, j)
		return err
	})
	if gap := time.Since(lost); gap > d {
		y.t.Errorf("the first write was accepted %v after the loss", gap)
	}
}

// repeat submits the task again, with its key, until it is acknowledged.
func (y *way) repeat(at ...*master) client.Task {
	y.t.Helper()
	c := y.client.of(at...)
	var answer client.Submitted
	y.await("the acknowledgement of a repeat", func(ctx context.Context) (err error) {
		answer, err = y.client.try(ctx, c, marked)
		return err
	})
	return answer.Task
}

// done waits for a task to be done, at the given masters.
func (w *world) done(id uint64, at ...*master) (t client.Task) {
	w.t.Helper()
	c := w.client.of(at...)
	w.await(fmt.Sprintf("task %d to be done", id), func(ctx context.Context) (err error) {
		t, err = c.Task(ctx, id, client.ReadOptions{})
		if err == nil && t.Status != client.TaskDone {
			err = fmt.Errorf("%+v", t)
		}
		return err
	})
	return t
}

// fills checks that new tasks can fill exactly all slots, at once.
func (w *world) fills() {
	w.t.Helper()
	slots := 0
	for _, s := range w.slaves {
		slots += s.slots
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i := range slots {
		if _, err := w.client.try(ctx, w.client.api, w.client.sleeping(5*time.Second)); err != nil {
			w.t.Errorf("task %d for %d free slots was refused: %v", i+1, slots, err)
		}
	}
	if _, err := w.client.try(ctx, w.client.api, w.client.sleeping(5*time.Second)); code(err) != client.CodeFullCapacity {
		w.t.Errorf("a task beyond all %d slots: %v; want full_capacity", slots, err)
	}
}

// lose tells the story of one loss at one point.
func lose(w *world, p point, l loss) {
	w.t.Helper()
	y := setOut(w, 3)
	p.reach(y)
	lost := time.Now()
	l.strike(y.leader)
	if p.meanwhile != nil {
		p.meanwhile(y)
	}
	y.aftermath(lost, y.followers, y.leader)
	if y.first.err != nil && (!p.unknown || code(y.first.err) != client.CodeOutcomeUnknown) {
		w.t.Errorf("the first submit: %v", y.first.err)
	}
}

// aftermath checks that the masters that are left accept a write soon, find the
// one task by its key, and bring it to its end, by one execution; and that all is
// right when those come back that were lost.
func (y *way) aftermath(lost time.Time, left []*master, gone ...*master) {
	y.t.Helper()
	y.accepts(lost, left...)
	again := y.repeat(left...)
	done := y.done(again.ID, left...)
	if late := time.Since(lost); late > markedTakes+5*time.Second {
		y.t.Errorf("the task was done %v after the loss, and takes %v", late, markedTakes)
	}
	y.within(y.first.done, "the end of the first submit")
	y.net.PassAll()
	for _, m := range gone {
		m.mend()
	}
	y.ready()
	y.sleep(time.Second) // for what was held back
	for _, m := range gone {
		if once := y.repeat(m); once.ID != again.ID || once.Attempt != done.Attempt {
			y.t.Errorf("a repeat at %s got %+v, before it was %+v", m.id, once, done)
		}
	}
	if runs := y.seen.Runs(again.ID); len(runs) != 1 || runs[0].Attempt != 1 {
		y.t.Errorf("the executions are %+v; want one, of attempt 1", runs)
	}
	y.fills()
}

// status asks one master what it knows of itself.
func (w *world) status(m *master) client.Status {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := w.observer.api.Status(ctx, m.url(), false)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}
