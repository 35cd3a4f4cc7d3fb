package fsm

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"muster/task"
)

// lab is a state with the log that led to it. Every entry goes through Encode
// and Decode, as in a cluster.
type lab struct {
	t     testing.TB
	state *State
	term  uint64
	stamp task.Millis
	log   []entry
}

// entry is one entry of a log.
type entry struct {
	index, term uint64
	data        []byte
}

func newLab(t testing.TB) *lab {
	t.Helper()
	return &lab{t: t, state: New(), term: 3, stamp: 1000}
}

// do applies one entry with the commands, bound to no term.
func (l *lab) do(commands ...Command) []Outcome {
	l.t.Helper()
	proposals := make([]Proposal, len(commands))
	for i, c := range commands {
		proposals[i].Command = c
	}
	return l.propose(proposals...)
}

func (l *lab) propose(proposals ...Proposal) []Outcome {
	l.t.Helper()
	l.stamp += 10
	data, err := Encode(Envelope{Term: l.term, Stamp: l.stamp, Proposals: proposals})
	if err != nil {
		l.t.Fatal(err)
	}
	// Indexes have gaps: Raft's own entries are between ours.
	e := entry{index: l.state.View().Index() + 2, term: l.term, data: data}
	l.log = append(l.log, e)
	return e.applyTo(l.t, l.state)
}

func (e entry) applyTo(t testing.TB, s *State) []Outcome {
	t.Helper()
	envelope, err := Decode(e.data)
	if err != nil {
		t.Fatal(err)
	}
	return s.Apply(e.index, e.term, envelope)
}

// must is do for one command that may not be refused.
func (l *lab) must(c Command) Outcome {
	l.t.Helper()
	o := l.do(c)[0]
	if o.Err != nil {
		l.t.Fatalf("%T was refused: %v", c, o.Err)
	}
	return o
}

// refused is do for one command that must be refused, and change nothing.
func (l *lab) refused(code task.Code, c Command) {
	l.t.Helper()
	before := content(l.state.View())
	o := l.do(c)[0]
	if o.Err == nil || o.Err.Code != code {
		l.t.Fatalf("%T came to %v; want a refusal with %s", c, o.Err, code)
	}
	if o.Task != nil || o.Events != nil {
		l.t.Errorf("refused %T has the task %v and the events %v", c, o.Task, o.Events)
	}
	if content(l.state.View()) != before {
		l.t.Errorf("refused %T changed the state", c)
	}
}

// content is the fingerprint of a view but for its index.
func content(v *View) string {
	c := View{tables: v.tables}
	c.index = 0
	return c.Fingerprint()
}

// register registers a slave that runs expressions, which are idempotent, and
// one-time jobs, which are not.
func (l *lab) register(name, incarnation string, slots int) Place {
	l.t.Helper()
	l.must(RegisterSlave{Registration: registration(name, incarnation, slots)})
	return Place{Slave: name, Incarnation: incarnation}
}

func registration(name, incarnation string, slots int) task.Registration {
	return task.Registration{
		Name: name, URL: "http://" + name, Slots: slots, Incarnation: incarnation,
		Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}, {Name: "once"}},
	}
}

// submit submits a task, to a place or to nowhere.
func (l *lab) submit(spec task.Spec, place *Place) task.Task {
	l.t.Helper()
	return *l.must(SubmitTask{Spec: spec, Assign: place}).Task
}

func (l *lab) task(id task.ID) task.Task {
	l.t.Helper()
	t, ok := l.state.View().Task(id)
	if !ok {
		l.t.Fatalf("there is no task %d", id)
	}
	return t
}

// held returns what a slave holds.
func held(v *View, slave string) (tasks []task.Task) {
	for q := (task.Query{Status: task.InProgress, Slave: slave, Limit: task.MaxPage}); ; {
		page := v.List(q)
		tasks = append(tasks, page.Tasks...)
		if q.After = page.Next; page.Next == 0 {
			return tasks
		}
	}
}

// keyed returns the tasks that the index of keys has, by id.
func keyed(v *View) (ids []task.ID) {
	for i := range v.keys.shards {
		slots := v.keys.shards[i].slots.Load()
		if slots == nil {
			continue
		}
		for j := range *slots {
			if slot := (*slots)[j].Load(); slot != slotEmpty && slot != slotRemoved {
				ids = append(ids, task.ID(slot&slotRemoved))
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// slave returns slave a.
func (l *lab) slave() task.Slave {
	l.t.Helper()
	s, ok := l.state.View().Slave("a")
	if !ok {
		l.t.Fatal("there is no slave a")
	}
	return s
}

func expression() task.Spec {
	return task.Spec{Kind: task.KindExpression, Expression: "1+1", Idempotent: true, MaxTries: 3, TimeoutMS: 1000}
}

func once() task.Spec { return task.Spec{Kind: "once", Expression: "x", MaxTries: 3, TimeoutMS: 1000} }

func attemptOf(t task.Task) task.Attempt {
	return task.Attempt{ID: t.ID, Attempt: t.Attempt, Slave: t.Slave, Incarnation: t.Incarnation}
}

func succeeded(a task.Attempt, text string) CompleteTask {
	return CompleteTask{Attempt: a, Result: task.Result{
		ID: a.ID, Attempt: a.Attempt, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: text},
	}}
}

var eventNames = map[EventKind]string{
	TaskSubmitted: "submitted", TaskAssigned: "assigned", TaskGivenUp: "given up", TaskDone: "done",
	SlaveRegistered: "registered", SlaveGone: "gone", MasterPut: "put", MasterRemoved: "removed",
	TaskStopped: "stopped", SlaveRemoved: "removed",
}

// events tells an outcome's events in words.
func events(o Outcome) string {
	var words []string
	for _, e := range o.Events {
		switch {
		case e.Task != nil:
			words = append(words, fmt.Sprintf("task %d %s", e.Task.ID, eventNames[e.Kind]))
		case e.Slave != nil:
			words = append(words, fmt.Sprintf("slave %s %s", e.Slave.Name, eventNames[e.Kind]))
		default:
			words = append(words, fmt.Sprintf("master %s %s", e.Master.ID, eventNames[e.Kind]))
		}
	}
	return strings.Join(words, ", ")
}

func (l *lab) wantEvents(o Outcome, want string) {
	l.t.Helper()
	if got := events(o); got != want {
		l.t.Errorf("the events are %q; want %q", got, want)
	}
	for _, e := range o.Events { // an event carries what the state has, unless a later one does
		if e.Task != nil && e.Task.Index == l.state.View().Index() && e.Task.Status == l.task(e.Task.ID).Status &&
			!slices.Equal([]any{e.Task.Attempt, e.Task.Outcome}, []any{l.task(e.Task.ID).Attempt, l.task(e.Task.ID).Outcome}) {
			l.t.Errorf("an event's task differs from the state's: %+v", e.Task)
		}
	}
}
