package scheduler

import (
	"errors"
	"testing"
	"time"

	"muster/fsm"
	"muster/task"
)

// TestNothingBeginsOnASlaveThatIsAboutToLeave: its goodbye waited for a send, and the slave
// was lost and came back meanwhile. The goodbye names the attempts that have begun, so
// none may begin between that and its end.
func TestNothingBeginsOnASlaveThatIsAboutToLeave(t *testing.T) {
	state := fsm.New()
	index := uint64(0)
	now := time.Unix(1, 0)
	c := New(Config{Term: 1, QuestionTTL: time.Hour}, Suspects{})
	apply := func(proposals []fsm.Proposal) []fsm.Outcome {
		index++
		return state.Apply(index, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: proposals})
	}
	commit := func(out Outputs) {
		outcomes := apply(out.Entry)
		c.Begin(state.View(), 1)
		c.Commit(true, outcomes, nil, now)
	}
	spec := task.Spec{Kind: task.KindExpression, Expression: "1", MaxTries: 3, Idempotent: true}
	registration := task.Registration{
		Name: "A", URL: "http://A", Slots: 2, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
	}
	apply([]fsm.Proposal{
		{Command: fsm.RegisterSlave{Registration: registration}},
		{Command: fsm.SubmitTask{Spec: spec, Assign: &fsm.Place{Slave: "A", Incarnation: "i"}}},
	})
	c.Begin(state.View(), 1)
	c.Rebuild(now)
	sent := c.Plan(true, now).Requests
	if len(sent) != 1 || sent[0].Kind != RequestSend {
		t.Fatalf("requests: %+v", sent)
	}

	// The send does not come back. The slave is lost, and says goodbye before that is in
	// the log.
	c.liveness.lose(c.fleet.slaves["A"], "it is silent", now)
	lost := c.Plan(true, now)
	c.Leave(&Call{}, "A", "i", now)
	commit(lost)
	// It registers again, and gets a task.
	word := task.Availability{Incarnation: "i", Slots: 2, Free: 2, Counter: 1}
	c.Register(&Call{}, registration, word, now)
	commit(c.Plan(true, now))
	s := NewSubmit(Request{Queue: true, Spec: spec})
	c.Submit(s, now)
	for range 3 {
		if out := c.Plan(true, now); len(out.Entry) > 0 {
			commit(out)
		}
	}

	c.Answered(&sent[0], SlaveResponse{Err: errors.New("no answer")}, now)
	out := c.Plan(true, now)
	if len(out.Entry) != 1 || out.Entry[0].Command.Number() != fsm.NumberLeaveSlave {
		t.Fatalf("the goodbye: %+v", out.Entry)
	}
	leave, _ := out.Entry[0].Command.(fsm.LeaveSlave)
	now = now.Add(100 * time.Millisecond) // a send that failed is repeated by then
	c.Begin(state.View(), 1)
	for _, r := range append(out.Requests, c.Plan(false, now).Requests...) {
		t.Errorf("while the goodbye that names %v is on its way, it is asked %+v", leave.Begun, r)
	}
	commit(out)
	if got := c.fleet.slaves["A"]; got.ending != 0 || got.rec.State != task.SlaveLeft {
		t.Errorf("after it: %d commands are on their way, and it is %v", got.ending, got.rec.State)
	}
}

// TestNothingBeginsUntilTheLastOfTwoEndsIsSettled: the loss of a slave is refused while the
// registration of its next process is on its way, which has named what has begun.
func TestNothingBeginsUntilTheLastOfTwoEndsIsSettled(t *testing.T) {
	state := fsm.New()
	now := time.Unix(1, 0)
	registration := task.Registration{
		Name: "A", URL: "http://A", Slots: 1, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
	}
	state.Apply(1, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: []fsm.Proposal{
		{Command: fsm.RegisterSlave{Registration: registration}},
		{Command: fsm.SubmitTask{Spec: task.Spec{Kind: task.KindExpression, Expression: "1", MaxTries: 3}, Assign: &fsm.Place{Slave: "A", Incarnation: "i"}}},
	}})
	c := New(Config{Term: 1, QuestionTTL: time.Hour}, Suspects{})
	c.Begin(state.View(), 1)
	c.Rebuild(now)
	c.liveness.lose(c.fleet.slaves["A"], "it is silent", now)
	if out := c.Plan(true, now); len(out.Entry) != 1 || len(out.Requests) > 0 {
		t.Fatalf("the loss: %+v, %+v", out.Entry, out.Requests)
	}
	registration.Incarnation = "next"
	c.Register(&Call{}, registration, task.Availability{Incarnation: "next", Slots: 1, Free: 1}, now)
	if out := c.Plan(true, now); len(out.Entry) != 1 || len(out.Requests) > 0 {
		t.Fatalf("the registration: %+v, %+v", out.Entry, out.Requests)
	}
	c.Commit(true, nil, task.Refuse(task.CodeOverloaded, "no"), now)
	for range 3 {
		if out := c.Plan(false, now); len(out.Requests) > 0 {
			t.Errorf("before the registration is settled it is sent %+v", out.Requests)
		}
		now = now.Add(time.Second)
		c.Begin(state.View(), 1)
	}
	c.Commit(true, nil, task.Refuse(task.CodeOverloaded, "no"), now)
	if out := c.Plan(false, now); len(out.Requests) != 1 || out.Requests[0].Kind != RequestSend {
		t.Errorf("when both are settled it is asked %+v, want a send", out.Requests)
	}
}
