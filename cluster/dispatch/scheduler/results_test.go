package scheduler

import (
	"testing"
	"time"

	"muster/fsm"
	"muster/task"
)

// TestAResultThatIsNotRecordedKeepsItsSlot: the next task goes into the same entry; when
// the log does not take that, the slot is as taken as before, whatever the slave says.
func TestAResultThatIsNotRecordedKeepsItsSlot(t *testing.T) {
	state := fsm.New()
	index := uint64(0)
	apply := func(proposals ...fsm.Proposal) []fsm.Outcome {
		index++
		return state.Apply(index, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: proposals})
	}
	spec := task.Spec{Kind: task.KindExpression, Expression: "1", MaxTries: 3, Idempotent: true}
	apply(
		fsm.Proposal{Command: fsm.RegisterSlave{Registration: task.Registration{
			Name: "A", URL: "http://A", Slots: 1, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
		}}},
		fsm.Proposal{Command: fsm.SubmitTask{Spec: spec, Assign: &fsm.Place{Slave: "A", Incarnation: "i"}}},
		fsm.Proposal{Command: fsm.SubmitTask{Spec: spec}},
	)
	c := New(Config{Term: 1, QuestionTTL: time.Second}, Suspects{})
	now := time.Unix(1, 0)
	word := task.Availability{Incarnation: "i", Slots: 1, Free: 1}
	turn := func(inputs ...func()) Outputs {
		t.Helper()
		now = now.Add(100 * time.Millisecond)
		c.Begin(state.View(), 1)
		for _, f := range inputs {
			f()
		}
		out := c.Plan(true, now)
		for i := range out.Requests { // the slave answers at once
			r, a := &out.Requests[i], SlaveResponse{Availability: word}
			word.Counter++
			a.Availability.Counter = word.Counter
			for _, o := range r.Orders {
				a.Receipts = append(a.Receipts, task.Receipt{ID: o.ID, Attempt: o.Attempt, Status: task.Accepted})
			}
			if r.Kind == RequestHeld {
				a.Held = []task.Held{{ID: 1, Attempt: 1}}
			}
			c.Answered(r, a, now)
		}
		return out
	}
	c.Begin(state.View(), 1)
	c.Rebuild(now)
	for range 5 {
		if out := turn(); len(out.Entry) > 0 {
			t.Fatalf("before the result: %+v", out.Entry)
		}
	}

	var call *Call
	report := func() {
		call = &Call{}
		word.Counter++
		c.Report(call, task.Report{Slave: "A", Availability: word, Results: []task.Result{{ID: 1, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: "1"}}}}, now)
	}
	out := turn(report)
	if len(out.Entry) != 2 || out.Entry[0].Command.Number() != fsm.NumberCompleteTask || out.Entry[1].Command.Number() != fsm.NumberAssignTask {
		t.Fatalf("a result, and the next task: %+v", out.Entry)
	}
	turn(func() { c.Commit(true, nil, task.Refuse(task.CodeOverloaded, "no"), now) })
	if call.Err == nil {
		t.Errorf("the slave is told %+v", call.Verdicts)
	}
	for range 20 {
		if again := turn(); len(again.Entry) > 0 {
			t.Fatalf("after the log refused it: %+v", again.Entry)
		}
	}

	out = turn(report)
	if len(out.Entry) != 2 {
		t.Fatalf("reported again: %+v", out.Entry)
	}
	outcomes := apply(out.Entry...)
	turn(func() { c.Commit(true, outcomes, nil, now) })
	if next, _ := state.View().Task(2); call.Err != nil || call.Verdicts[0].Err != nil || next.Status != task.InProgress {
		t.Errorf("the slave is told %+v, %v; the next task: %+v", call.Verdicts, call.Err, next)
	}
}
