package evidence

import (
	"slices"
	"strings"
	"testing"
	"time"

	"muster/api/client"
)

// start is when the runs of these tests begin.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

// good returns the evidence of a run in which every promise was kept. Two clients
// submit a task each, and one that is refused. The first task is given up by one
// slave and done by another. Two masters hold the same.
func good() *Evidence {
	e := New()
	e.Slave("slave-1", 1)
	e.Slave("slave-2", 1)
	for i, key := range []string{"first", "second", "third"} {
		e.Submitting(key, "1+1", Want{Outcome: client.Succeeded, Result: "2"})
		e.submits[key].began = at(10 * i)
	}
	e.Refused("third", "full_capacity")
	for i, key := range []string{"first", "second"} {
		e.Acknowledged(key, uint64(i+1))
		e.submits[key].acked[0] = at(10*i + 5)
	}
	e.runs = []*Run{
		{Slave: "slave-1", Incarnation: 1, Task: 1, Attempt: 1, Began: at(6)}, // it dies with it
		{Slave: "slave-2", Incarnation: 1, Task: 1, Attempt: 2, Began: at(40), Ended: at(50)},
		{Slave: "slave-1", Incarnation: 2, Task: 2, Attempt: 1, Began: at(40), Ended: at(50)},
	}
	e.reads = []Read{
		{Master: "m1", Linearizable: true, Began: at(20), Ended: at(21), Index: 7, Counts: client.Counts{Submitted: 2, InProgress: 2}},
		{Master: "m2", Client: "reader", Began: at(22), Ended: at(23), Index: 6, Counts: client.Counts{Submitted: 1, InProgress: 1}},
		{Master: "m1", Client: "reader", Linearizable: true, Began: at(60), Ended: at(61), Index: 9, Counts: client.Counts{Submitted: 2, Done: 2}},
	}
	e.Saw(done(1, "first", "slave-2", 2))
	for _, m := range []string{"m1", "m2"} {
		e.Dump(Dump{
			Master: m,
			Status: client.Status{AppliedIndex: 9, Fingerprint: "f", Counts: client.Counts{Submitted: 2, Done: 2}},
			Tasks:  []client.Task{done(1, "first", "slave-2", 2), done(2, "second", "slave-1", 1)},
			Slaves: []client.Slave{{Name: "slave-1", Slots: 1}, {Name: "slave-2", Slots: 1}},
		})
	}
	return e
}

func done(id uint64, key, slave string, attempt uint32) client.Task {
	two := "2"
	return client.Task{
		ID: id, IdempotencyKey: key, Expression: "1+1", Status: client.TaskDone, Outcome: client.Succeeded, Result: &two,
		Slave: slave, Attempt: attempt, FinishedAt: at(50), Index: 7 + id,
	}
}

// inAll changes what all masters hold of the second task.
func inAll(change func(t *client.Task)) func(e *Evidence) {
	return func(e *Evidence) {
		for i := range e.dumps {
			change(&e.dumps[i].Tasks[1])
		}
	}
}

func TestAGoodRunBreaksNothing(t *testing.T) {
	for what, e := range map[string]*Evidence{"a good run": good(), "no evidence": New()} {
		if wrong := e.Check(); len(wrong) > 0 {
			t.Errorf("%s: %q", what, wrong)
		}
	}
}

// TestEachBrokenPromiseIsNamed changes a good run in one way that breaks one
// rule; the check names that one and no other.
func TestEachBrokenPromiseIsNamed(t *testing.T) {
	for _, c := range []struct {
		what  string
		rule  string
		spoil func(e *Evidence)
	}{
		{"a repeat gets another task", "one key, one task", func(e *Evidence) { e.Acknowledged("first", 3) }},
		{"two keys get one task", "one key, one task", func(e *Evidence) {
			e.Acknowledged("third", 2)
			e.dumps = nil // each would lack one of the two
		}},
		{"a key has two tasks", "one key, one task", func(e *Evidence) {
			for i := range e.dumps {
				d := &e.dumps[i]
				d.Tasks = append(d.Tasks, done(3, "second", "slave-9", 1))
				d.Status.Counts = client.Counts{Submitted: 3, Done: 3}
			}
		}},
		{"a task is listed twice", "listed once", func(e *Evidence) {
			for i := range e.dumps {
				d := &e.dumps[i]
				twin := d.Tasks[1]
				twin.IdempotencyKey = "" // a key twice is another rule's
				e.submits[""] = e.submits["second"]
				d.Tasks = []client.Task{d.Tasks[0], twin, d.Tasks[1]}
				d.Status.Counts = client.Counts{Submitted: 3, Done: 3}
			}
		}},
		{"an acknowledged task is gone", "acknowledged is durable", func(e *Evidence) {
			e.runs = e.runs[:2]
			for i := range e.dumps {
				d := &e.dumps[i]
				d.Tasks, d.Status.Counts = d.Tasks[:1], client.Counts{Submitted: 1, Done: 1}
			}
		}},
		{"an acknowledged task is another", "acknowledged is durable", inAll(func(x *client.Task) { x.Expression = "2" })},
		{"a refused task is recorded", "a refusal records nothing", func(e *Evidence) {
			for i := range e.dumps {
				d := &e.dumps[i]
				d.Tasks = append(d.Tasks, done(3, "third", "slave-9", 1))
				d.Status.Counts = client.Counts{Submitted: 3, Done: 3}
			}
		}},
		{"a task that nobody submitted", "nothing comes from nothing", func(e *Evidence) {
			for i := range e.dumps {
				d := &e.dumps[i]
				d.Tasks = append(d.Tasks, done(3, "whose", "slave-9", 1))
				d.Status.Counts = client.Counts{Submitted: 3, Done: 3}
			}
		}},
		{"a task does not end", "exactly one end", func(e *Evidence) {
			inAll(func(x *client.Task) { x.Status, x.Outcome = client.TaskInProgress, "" })(e)
			for i := range e.dumps {
				e.dumps[i].Status.Counts = client.Counts{Submitted: 2, InProgress: 1, Done: 1}
			}
		}},
		{"a task waits for ever", "exactly one end", func(e *Evidence) {
			inAll(func(x *client.Task) { x.Status, x.Outcome = client.TaskPending, "" })(e)
			for i := range e.dumps {
				e.dumps[i].Status.Counts = client.Counts{Submitted: 2, Pending: 1, Done: 1}
			}
		}},
		{"a client saw another end", "exactly one end", func(e *Evidence) {
			e.saw[0].Outcome, e.saw[0].Result = client.Lost, nil
		}},
		{"an end came twice", "exactly one end", func(e *Evidence) { e.saw[0].FinishedAt = at(49) }},
		{"the wrong outcome", "the right end", inAll(func(x *client.Task) { x.Outcome = client.Failed })},
		{"the wrong result", "the right end", func(e *Evidence) {
			three := "3"
			inAll(func(x *client.Task) { x.Result = &three })(e)
		}},
		{"no result", "the right end", inAll(func(x *client.Task) { x.Result = nil })},
		{"a result of an execution that did not end", "one result", func(e *Evidence) { e.runs[2].Ended = time.Time{} }},
		{"a result of no execution", "one result", func(e *Evidence) { e.runs = e.runs[:2] }},
		{"wrong counters", "counters", func(e *Evidence) { e.dumps[1].Status.Counts = client.Counts{Submitted: 2, Pending: 1, Done: 1} }},
		{"a wrong number of tasks", "counters", func(e *Evidence) { e.dumps[1].Status.Counts.Submitted = 3 }},
		{"counters that don't add up on the way", "counters", func(e *Evidence) { e.reads[0].Counts.InProgress = 1 }},
		{"a slot stays taken", "slots are right again", func(e *Evidence) { e.dumps[1].Slaves[0].Busy = 1 }},
		{"an attempt runs twice", "an attempt runs once", func(e *Evidence) {
			again := *e.runs[2]
			again.Began, again.Ended = at(60), at(61)
			e.runs = append(e.runs, &again)
		}},
		{"an attempt that was never assigned runs", "only what is assigned runs", func(e *Evidence) {
			e.runs = append(e.runs, &Run{Slave: "slave-1", Incarnation: 3, Task: 2, Attempt: 2, Began: at(60), Ended: at(61)})
		}},
		{"a task that is not there runs", "only what is assigned runs", func(e *Evidence) {
			e.runs = append(e.runs, &Run{Slave: "slave-1", Incarnation: 3, Task: 9, Attempt: 1, Began: at(60), Ended: at(61)})
		}},
		{"more at once than slots", "slots", func(e *Evidence) {
			e.runs[2].Slave, e.runs[2].Incarnation = "slave-2", 1
			inAll(func(x *client.Task) { x.Slave = "slave-2" })(e)
		}},
		{"masters differ at one index", "all masters hold the same", func(e *Evidence) { e.dumps[1].Status.Fingerprint = "g" }},
		{"a master is behind", "all masters hold the same", func(e *Evidence) { e.dumps[1].Status.AppliedIndex = 8 }},
		{"an index shows two states", "one index, one state", func(e *Evidence) {
			e.reads[1].Index, e.reads[1].Counts = 7, client.Counts{Submitted: 2, InProgress: 1, Done: 1}
		}},
		{"a task is shown before it was sent", "nothing comes from nothing", func(e *Evidence) { e.submits["second"].began = at(21).Add(1); e.submits["third"].began = at(30) }},
		{"a client's reads go back", "a client's reads never go back", func(e *Evidence) {
			e.reads = append(e.reads, Read{Master: "m2", Client: "reader", Began: at(70), Ended: at(71), Index: 8, Counts: client.Counts{Submitted: 2, InProgress: 1, Done: 1}})
		}},
		{"a linearizable read misses a write", "linearizable reads", func(e *Evidence) { e.reads[0].Index, e.reads[0].Counts = 6, e.reads[1].Counts }},
		{"a linearizable read misses an end that another saw", "linearizable reads", func(e *Evidence) {
			e.reads = append(e.reads, Read{Master: "m2", Linearizable: true, Began: at(70), Ended: at(71), Index: 10, Counts: client.Counts{Submitted: 2, InProgress: 1, Done: 1}})
		}},
		{"a linearizable read misses an index that another saw", "linearizable reads", func(e *Evidence) {
			e.reads = append(e.reads, Read{Master: "m2", Linearizable: true, Began: at(70), Ended: at(71), Index: 8, Counts: client.Counts{Submitted: 2, Done: 2}})
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			e := good()
			c.spoil(e)
			wrong := e.Check()
			if len(wrong) == 0 {
				t.Fatal("nothing was noticed")
			}
			for _, w := range wrong {
				if rule, _, _ := strings.Cut(w, ": "); rule != c.rule {
					t.Errorf("%q is named, not %q", w, c.rule)
				}
			}
		})
	}
}

// TestWhatIsNotCertainBreaksNothing changes a good run in ways that a run may
// have.
func TestWhatIsNotCertainBreaksNothing(t *testing.T) {
	for what, change := range map[string]func(e *Evidence){
		"a submit in doubt was recorded": func(e *Evidence) {
			e.Submitting("third", "1+1", Want{}) // a second attempt, without an answer
			for i := range e.dumps {
				d := &e.dumps[i]
				d.Tasks = append(d.Tasks, done(3, "third", "slave-9", 1))
				d.Status.Counts = client.Counts{Submitted: 3, Done: 3}
			}
		},
		"a linearizable read was under way when a task was acknowledged": func(e *Evidence) {
			e.reads[0].Began, e.reads[0].Index, e.reads[0].Counts = at(14), 6, e.reads[1].Counts
		},
		"a local read is old":                     func(e *Evidence) { e.reads[1].Began, e.reads[1].Ended = at(100), at(101); e.reads = e.reads[:2] },
		"two clients see states in another order": func(e *Evidence) { e.reads[1].Client = "another"; e.reads[1], e.reads[2] = e.reads[2], e.reads[1] },
		"any end will do": func(e *Evidence) {
			e.submits["second"].Want = Want{}
			inAll(func(x *client.Task) { x.Outcome, x.Result = client.Expired, nil })(e)
		},
		"a slave ends a task in the moment in which it begins the next": func(e *Evidence) {
			e.runs[2].Slave, e.runs[2].Incarnation, e.runs[2].Began, e.runs[2].Ended = "slave-2", 1, at(50), at(51)
			inAll(func(x *client.Task) { x.Slave = "slave-2" })(e)
		},
		"a repeat gets the same task": func(e *Evidence) { e.Acknowledged("first", 1) },
	} {
		t.Run(what, func(t *testing.T) {
			e := good()
			change(e)
			if wrong := e.Check(); len(wrong) > 0 {
				t.Errorf("%q", wrong)
			}
		})
	}
}

func TestWhatWasNotedIsReturned(t *testing.T) {
	e := good()
	if ids := e.IDs(); !slices.Equal(ids, []uint64{1, 2}) {
		t.Errorf("acknowledged: %v", ids)
	}
	end := e.Begin(Run{Slave: "slave-1", Incarnation: 3, Task: 7, Attempt: 1})
	if runs := e.Runs(7); len(runs) != 1 || runs[0].Began.IsZero() || !runs[0].Ended.IsZero() {
		t.Errorf("while it runs: %+v", runs)
	}
	end()
	if runs := e.Runs(7); len(runs) != 1 || runs[0].Ended.Before(runs[0].Began) {
		t.Errorf("after its end: %+v", runs)
	}
}
