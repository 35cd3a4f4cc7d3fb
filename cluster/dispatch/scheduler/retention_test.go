package scheduler

import (
	"slices"
	"testing"
	"time"

	"muster/fsm"
	"muster/task"
)

// TestATaskThatIsEndingIsNotForgottenWithOlderOnes has the first of two tasks end while
// the second, which was done long ago, is forgotten: one command says "all up to here".
func TestATaskThatIsEndingIsNotForgottenWithOlderOnes(t *testing.T) {
	state, on := fsm.New(), fsm.Place{Slave: "A", Incarnation: "i"}
	spec := task.Spec{Kind: task.KindExpression, Expression: "1", MaxTries: 1}
	result := func(id task.ID) task.Result { return task.Result{ID: id, Attempt: 1, Outcome: task.Succeeded} }
	var entry []fsm.Proposal
	for _, c := range []fsm.Command{
		fsm.RegisterSlave{Registration: task.Registration{
			Name: "A", URL: "http://A", Slots: 2, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
		}},
		fsm.SubmitTask{Spec: spec, Assign: &on},
		fsm.SubmitTask{Spec: spec, Assign: &on},
		fsm.CompleteTask{Attempt: task.Attempt{ID: 2, Attempt: 1, Slave: "A", Incarnation: "i"}, Result: result(2)},
	} {
		entry = append(entry, fsm.Proposal{Command: c})
	}
	state.Apply(1, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: entry})

	const least = time.Minute
	now := time.Unix(1, 0)
	c := New(Config{Term: 1, QuestionTTL: time.Second, Retention: Retention{Tasks: 1, Min: least}}, Suspects{})
	begin := func() { c.Begin(state.View(), task.Millis(now.UnixMilli())) }
	begin()
	c.Rebuild(now)
	c.cfg.Retention.Tasks = 0 // one done task is one too many
	c.Plan(true, now)

	now = now.Add(least)
	begin()
	c.Report(&Call{}, task.Report{Slave: "A", Availability: task.Availability{Incarnation: "i"}, Results: []task.Result{result(1)}}, now)
	forgets := false
	for _, p := range c.Plan(true, now).Entry {
		if f, ok := p.Command.(fsm.ForgetTasks); ok {
			forgets = true
			if f.UpTo != 2 || !slices.Equal(f.Keep, []task.ID{1}) {
				t.Errorf("it forgets %+v, and task 1 ends in the same entry", f)
			}
		}
	}
	if !forgets {
		t.Error("it forgets nothing")
	}
}
