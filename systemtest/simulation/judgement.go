package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// heal ends all trouble, and sees to it that it stays ended.
func (w *world) heal() {
	w.sayf("all is healed")
	w.healed = true
	c := newChance(w.script.seed, 4)
	early, since := c.in(70), w.now
	var tend func()
	tend = func() {
		for _, x := range w.machines {
			x.cut, x.lie = false, noLie
			x.resume()
			x.boot()
			if rec, ok := w.journal.state.View().Slave(x.name); ok && rec.Drained {
				w.drain(x.name, false)
			}
			if early {
				x.register()
			}
		}
		if early || w.now-since > 100*time.Second {
			w.cancelHopeless()
		}
		if early = false; w.failure == "" {
			w.after(2*time.Second, tend)
		}
		early = w.now-since < 5*time.Second && early
	}
	if early {
		w.after(2*time.Second, func() {
			var again func()
			again = func() {
				w.cancelHopeless()
				w.after(2*time.Second, again)
			}
			again()
		})
	}
	tend()
}

// cancelHopeless cancels the tasks that wait for a slave that there is not.
func (w *world) cancelHopeless() {
	v := w.journal.state.View()
	slaves := v.Slaves()
	v.Pending(func(t task.Task) bool {
		if !slices.ContainsFunc(slaves, func(s task.Slave) bool { return canRun(&s, &t.Spec) }) {
			w.cancelOne(t.ID)
		}
		return true
	})
}

func canRun(s *task.Slave, spec *task.Spec) bool {
	return s.State == task.SlaveAlive && s.Runs(spec.Kind) && task.HasLabels(s.Labels, spec.Requires)
}

// quiet tells whether everything is done.
func (w *world) quiet() bool {
	return len(w.unrest()) == 0
}

// unrest is what is not over.
func (w *world) unrest() (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, s := range w.submissions {
		if s.fate == open {
			add("the submit of %s has no answer", s.request.Spec.Expression)
		}
	}
	if c := w.journal.state.View().Counts(); c.Pending+c.InProgress > 0 {
		add("%d tasks are pending and %d in progress", c.Pending, c.InProgress)
	}
	if w.leader == nil || len(w.masters) != 1 {
		add("%d masters think that they lead", len(w.masters))
		return out
	}
	if n := len(w.leader.calls); n > 0 {
		add("%d calls have no answer", n)
	}
	if err := w.leader.core.AtRest(); err != nil {
		add("the leader is not at rest: %v", err)
	}
	for _, x := range w.machines {
		if x.running > 0 || len(x.finished) > 0 {
			add("%s runs %d tasks and has %d results without a verdict", x.name, x.running, len(x.finished))
		}
	}
	return out
}

func (w *world) notQuiet() {
	w.failf("%v after all was healed, it is not over: %s", calm, strings.Join(w.unrest(), "; "))
}

// watchRest sees that a core which has nothing to do does little.
func (w *world) watchRest() {
	before := w.turns
	w.until(w.now + rest)
	// Ten turns a second look for what is to be forgotten, the others ask slaves.
	if turns, most := w.turns-before, int(rest/time.Second)*(15+4*len(w.machines)); turns > most {
		w.failf("in %v of rest there are %d turns; at most %d are in order", rest, turns, most)
	}
}

// place submits a task of each kind to a system at rest: the first slave in the order of
// registration that runs it gets it.
func (w *world) place() {
	for _, kind := range []string{task.KindExpression, kindOnce, kindTwice} {
		if w.failure != "" {
			return
		}
		want := ""
		for _, s := range w.journal.state.View().Slaves() {
			if s.State == task.SlaveAlive && s.Runs(kind) && want == "" {
				want = s.Name
			}
		}
		w.names++
		s := &submission{w: w, request: scheduler.Request{Spec: task.Spec{Kind: kind, Expression: fmt.Sprintf("e%d", w.names), MaxTries: 1, TimeoutMS: 5000}}}
		w.submissions = append(w.submissions, s)
		w.handIn(newChance(w.script.seed, 5), w.leader, &batch{items: []*submission{s}})
		w.until(w.now + 10*time.Second)
		switch story := w.rules.stories[s.id]; {
		case want == "" && s.fate == refused:
		case want == "" || s.fate != acknowledged201:
			w.failf("at rest, a task of kind %s came to %d (%s); the first slave that runs it is %q", kind, s.fate, s.code, want)
		case story.attempts[0].slave != want:
			w.failf("at rest, a task of kind %s went to %s, and the first slave that runs it is %s", kind, story.attempts[0].slave, want)
		case story.end == nil || story.end.Outcome != task.Succeeded:
			w.failf("at rest, task %d has not succeeded: %+v", s.id, story.end)
		}
	}
}

// judge holds what clients were told against what is in the state.
func (w *world) judge() {
	v := w.journal.state.View()
	recorded := map[string]bool{}
	for id := task.ID(1); id <= task.ID(v.Counts().Submitted); id++ {
		s := w.rules.stories[id]
		t, there := v.Task(id)
		if s == nil {
			w.failf("nobody has seen task %d submitted", id)
			return
		}
		recorded[s.spec.Expression] = true
		switch {
		case s.forgotten && there, !s.forgotten && !there:
			w.failf("task %d is there: %v; it was forgotten: %v", id, there, s.forgotten)
		case s.end == nil:
			w.failf("task %d has not ended", id)
		case there && (t.Status != task.Done || t.Outcome != s.end.Outcome || t.Result != s.end.Result || t.Error != s.end.Error || t.Attempt != s.end.Attempt):
			w.failf("task %d has changed after its end: %+v, then %+v", id, *s.end, t)
		case s.end.Outcome == task.Succeeded && (s.results[s.end.Attempt].Value != s.end.Result || s.end.Result.Text == ""):
			w.failf("task %d has the result %+v, and %+v was reported", id, s.end.Result, s.results[s.end.Attempt])
		}
	}
	w.judgeAnswers(recorded)
	w.judgeBatches()
}

// judgeAnswers checks that no answer was a false one.
func (w *world) judgeAnswers(recorded map[string]bool) {
	unsure := map[string]bool{}
	for _, s := range w.submissions {
		if s.fate != refused {
			unsure[s.request.Spec.Expression] = true
		}
	}
	for _, s := range w.submissions {
		name := s.request.Spec.Expression
		switch {
		case s.fate == acknowledged201 && !recorded[name]:
			w.failf("%s was acknowledged as task %d, and is not there", name, s.id)
		case s.fate == refused && !unsure[name] && recorded[name]:
			w.failf("%s was refused (%s), and is there", name, s.code)
		}
	}
}

// judgeBatches checks that ids come in the order of the items.
func (w *world) judgeBatches() {
	for _, s := range w.submissions {
		b := s.batch
		if b == nil || !b.alike || b.items[0] != s || slices.ContainsFunc(b.items, func(s *submission) bool { return w.refusedInLog[s.request.Spec.Expression] }) {
			continue
		}
		last := task.ID(0)
		for _, item := range b.items {
			if item.fate != acknowledged201 {
				continue
			}
			if item.id < last {
				w.failf("%s is task %d, and an item before it in its batch is task %d", item.request.Spec.Expression, item.id, last)
			}
			last = item.id
		}
	}
}
