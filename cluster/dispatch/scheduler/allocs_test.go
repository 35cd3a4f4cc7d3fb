package scheduler

import (
	"testing"
	"time"

	"muster/fsm"
	"muster/task"
)

// TestATasksWayAllocatesLittle takes tasks in entries of 32 from their submits over
// their sends to their results, and counts what the core and the state allocate for
// each. The count does not depend on the machine; what it may be is what it was, and
// some.
func TestATasksWayAllocatesLittle(t *testing.T) {
	const perEntry, most = 32, 22
	state, index := fsm.New(), uint64(0)
	now := time.Unix(1000, 0)
	apply := func(proposals []fsm.Proposal) []fsm.Outcome {
		index++
		return state.Apply(index, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: proposals})
	}
	apply([]fsm.Proposal{{Command: fsm.RegisterSlave{Registration: task.Registration{
		Name: "A", URL: "http://A", Slots: 512, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}},
	}}}})
	c := New(Config{Term: 1, QuestionTTL: time.Hour}, Suspects{})
	c.Begin(state.View(), 1)
	c.Rebuild(now)
	counter := uint64(0)
	word := func() task.Availability {
		counter++
		return task.Availability{Incarnation: "i", Slots: 512, Free: 512, Counter: counter}
	}
	var results []task.Result
	turn := func() {
		for {
			out := c.Plan(true, now)
			for i := range out.Requests {
				r := &out.Requests[i]
				resp := SlaveResponse{Availability: word()}
				for _, o := range r.Orders {
					resp.Receipts = append(resp.Receipts, task.Receipt{ID: o.ID, Attempt: o.Attempt, Status: task.Accepted})
					results = append(results, task.Result{ID: o.ID, Attempt: o.Attempt, Value: task.Value{Type: task.Number, Text: "2"}})
				}
				c.Answered(r, resp, now)
			}
			if len(out.Entry)+len(out.Requests) == 0 {
				return
			}
			if len(out.Entry) > 0 {
				outcomes := apply(out.Entry)
				c.Begin(state.View(), 1)
				c.Commit(true, outcomes, nil, now)
			}
		}
	}
	turn()
	round := func() {
		for range perEntry {
			c.Submit(NewSubmit(Request{Queue: true, Spec: task.Spec{Kind: task.KindExpression, Expression: "1+1", MaxTries: 3, TimeoutMS: 60_000}}), now)
		}
		turn()
		c.Report(&Call{}, task.Report{Slave: "A", Availability: word(), Results: results}, now)
		results = results[:0]
		turn()
	}
	perTask := testing.AllocsPerRun(50, round) / perEntry
	if counts := state.View().Counts(); counts.Done != 51*perEntry {
		t.Fatalf("%+v", counts)
	}
	t.Logf("%.1f objects a task", perTask)
	if perTask > most {
		t.Errorf("%.1f objects are allocated for a task, want at most %d", perTask, most)
	}
}
