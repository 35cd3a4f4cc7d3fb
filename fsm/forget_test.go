package fsm

import (
	"testing"

	"muster/task"
)

// TestForgottenTasksAreGoneWithTheirKeys: up to an id, but for some; in whole blocks
// and in parts of them; what is not done stays.
func TestForgottenTasksAreGoneWithTheirKeys(t *testing.T) {
	l := newLab(t)
	a := l.register("a", "1", 1000)
	const all = 3*blockSize + 10
	for id := task.ID(1); id <= all; id++ {
		l.must(SubmitTask{Spec: expression(), Key: "k" + id.String(), Assign: &a})
	}
	for id := task.ID(1); id <= all; id++ {
		if id != 5 { // so that the first block is not sealed
			l.must(succeeded(attemptOf(l.task(id)), "2"))
		}
	}
	before := l.state.View()
	const upTo, kept = blockSize + 20, blockSize + 3
	l.must(ForgetTasks{UpTo: upTo, Keep: []task.ID{kept}})
	v := l.state.View()
	for id := task.ID(1); id <= all; id++ {
		stays := id == 5 || id == kept || id > upTo
		if _, there := v.Task(id); there != stays {
			t.Errorf("task %d is there: %t", id, there)
		}
		if _, there := v.TaskByKey("k" + id.String()); there != stays {
			t.Errorf("the key of task %d is there: %t", id, there)
		}
	}
	if want := (task.Counts{Submitted: all, InProgress: 1, Done: all - 1, Forgotten: upTo - 2}); v.Counts() != want {
		t.Errorf("the counts are %+v, want %+v", v.Counts(), want)
	}
	if n := len(keyed(v)); n != all-(upTo-2) {
		t.Errorf("%d keys are indexed", n)
	}
	if v.DoneBytes() >= before.DoneBytes() || v.DoneBytes() <= 0 {
		t.Errorf("%d bytes, before %d", v.DoneBytes(), before.DoneBytes())
	}
	if _, there := before.Task(1); !there {
		t.Error("an earlier view has lost a task")
	}
	l.refused(task.CodeTaskForgotten, CancelTask{ID: 1})
	l.refused(task.CodeTaskForgotten, succeeded(task.Attempt{ID: 1, Attempt: 1, Slave: "a", Incarnation: "1"}, "2"))

	// The last of the first block is done, which is not whole any more.
	l.must(succeeded(attemptOf(l.task(5)), "2"))
	if got := l.task(5); got.Status != task.Done {
		t.Errorf("%+v", got)
	}
	// A key that was forgotten is free.
	if again := l.must(SubmitTask{Spec: expression(), Key: "k1", Assign: &a}); again.Existing || again.Task.ID != all+1 {
		t.Errorf("submitted again: %+v", again)
	}
	l.must(ForgetTasks{UpTo: 1 << 40})
	if c := l.state.View().Counts(); c.Forgotten != all || l.state.View().DoneBytes() != 0 {
		t.Errorf("at last %+v, %d bytes", c, l.state.View().DoneBytes())
	}
}
