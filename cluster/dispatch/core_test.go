package dispatch

import (
	"errors"
	"sync"
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
	sequence := uint64(0)
	stamp := func() task.Stamp { sequence++; return task.Stamp{Term: 1, Sequence: sequence} }
	c := newCore(Config{Term: 1, QuestionTTL: time.Second}.defaulted(), state.View, stamp, &sync.Map{})
	now := time.Unix(1, 0)
	c.rebuild(state.View(), now)

	heard := map[string]error{}
	submit := func(name, key string) {
		c.submit(&submit{
			Request: Request{Spec: task.Spec{Kind: task.KindExpression, Expression: "1"}, Key: key},
			reply:   func(_ Answer, err error) { heard[name] = err },
		}, time.Now())
	}
	submit("first", "k")
	var proposals []proposal
	for range 10 {
		a := c.plan(now)
		for _, r := range a.requests {
			c.answered(r, response{availability: task.Availability{Incarnation: "i", Slots: 1, Free: 1, Counter: 1}}, now)
		}
		if proposals = a.proposals; len(proposals) > 0 {
			break
		}
	}
	if len(proposals) != 1 {
		t.Fatalf("%d proposals, want the first submit's", len(proposals))
	}
	submit("in line", "other") // behind the first, which has the only slot
	c.proposed(proposals, nil, errors.New("leadership was lost"), now)
	submit("repeat", "k")
	if a := c.plan(now); len(a.proposals)+len(a.requests) > 0 {
		t.Errorf("it goes on: %+v", a)
	}
	for name, want := range map[string]task.Code{"first": task.CodeOutcomeUnknown, "in line": task.CodeNotLeader, "repeat": task.CodeNotLeader} {
		var refusal *task.Error
		if err := heard[name]; !errors.As(err, &refusal) || refusal.Code != want {
			t.Errorf("%s heard %v, want %s", name, err, want)
		}
	}
}
