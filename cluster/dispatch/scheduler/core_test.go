package scheduler

import (
	"errors"
	"testing"
	"time"

	"muster/fsm"
	"muster/task"
)

// TestBooksInDoubtDecideNothing repeats a submit right after its fate became
// unknown, before the dispatcher had the time to end. What these books say of a
// key or of free slots may be wrong: "full capacity, nothing recorded", too.
func TestBooksInDoubtDecideNothing(t *testing.T) {
	state := fsm.New()
	register := fsm.RegisterSlave{Registration: task.Registration{
		Name: "A", URL: "http://A", Slots: 1, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
	}}
	state.Apply(1, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: []fsm.Proposal{{Command: register}}})
	c := New(Config{Term: 1, QuestionTTL: time.Second}, Suspects{})
	now := time.Unix(1, 0)
	c.Begin(state.View(), 1)
	c.Rebuild(now)

	heard := map[string]error{}
	submits := map[*Submit]string{}
	submit := func(name, key string) {
		s := NewSubmit(Request{Spec: task.Spec{Kind: task.KindExpression, Expression: "1"}, Key: key})
		submits[s] = name
		c.Submit(s, now)
	}
	plan := func() Outputs {
		out := c.Plan(true, now)
		for _, s := range out.Submits {
			heard[submits[s]] = s.Err
		}
		return out
	}
	submit("first", "k")
	appended := 0
	for range 10 {
		out := plan()
		for i := range out.Requests {
			c.Answered(&out.Requests[i], SlaveResponse{Availability: task.Availability{Incarnation: "i", Slots: 1, Free: 1, Counter: 1}}, now)
		}
		if appended = len(out.Entry); appended > 0 {
			break
		}
	}
	if appended != 1 {
		t.Fatalf("%d proposals, want the first submit's", appended)
	}
	submit("in line", "other") // behind the first, which has the only slot
	c.Commit(true, nil, errors.New("leadership was lost"), now)
	submit("repeat", "k")
	if out := plan(); len(out.Entry)+len(out.Requests) > 0 {
		t.Errorf("it goes on: %+v", out)
	}
	for name, want := range map[string]task.Code{"first": task.CodeOutcomeUnknown, "in line": task.CodeNotLeader, "repeat": task.CodeNotLeader} {
		var refusal *task.Error
		if err := heard[name]; !errors.As(err, &refusal) || refusal.Code != want {
			t.Errorf("%s heard %v, want %s", name, err, want)
		}
	}
}

// TestASubmitWhoseSlotWasGoneHearsThatTheLeaderStopped has a submit that may wait lose
// its slot in the log, after the core was stopped: it can't be planned anew.
func TestASubmitWhoseSlotWasGoneHearsThatTheLeaderStopped(t *testing.T) {
	state, now := fsm.New(), time.Unix(1, 0)
	register := fsm.RegisterSlave{Registration: task.Registration{
		Name: "A", URL: "http://A", Slots: 1, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
	}}
	state.Apply(1, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: []fsm.Proposal{{Command: register}}})
	c := New(Config{Term: 1, QuestionTTL: time.Second}, Suspects{})
	c.Begin(state.View(), 1)
	c.Rebuild(now)
	s := NewSubmit(Request{Spec: task.Spec{Kind: task.KindExpression, Expression: "1"}, Queue: true})
	c.Submit(s, now)
	for out := c.Plan(true, now); c.Underway() == 0; out = c.Plan(true, now) {
		if len(out.Requests) == 0 {
			t.Fatal("the task is not recorded")
		}
		c.Answered(&out.Requests[0], SlaveResponse{Availability: task.Availability{Incarnation: "i", Slots: 1, Free: 1, Counter: 1}}, now)
	}
	c.Stop(now)
	c.Plan(false, now)
	c.Commit(true, []fsm.Outcome{{Err: task.Refuse(task.CodeSlaveFull, "its slot is taken")}}, nil, now)
	c.Plan(false, now)
	if !errors.Is(s.Err, &task.Error{Code: task.CodeNotLeader}) {
		t.Errorf("the submit heard %v, want not_leader", s.Err)
	}
}
