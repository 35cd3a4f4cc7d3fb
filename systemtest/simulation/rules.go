package simulation

import (
	"slices"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/fsm"
	"muster/task"
)

// rules are what must hold at each step, and what has to be remembered for that.
type rules struct {
	w       *world
	stories map[task.ID]*story
	named   map[string]task.ID // by expression: the newest task
	keys    map[string]task.ID // the newest task of each key
	told    map[string]task.ID // by key: what clients were told
}

// story is what has happened to a task.
type story struct {
	id        task.ID
	spec      task.Spec
	attempts  []place // where each was assigned
	begun     []runKey
	letGo     []runKey               // by a slave that is no good
	retries   int                    // failures that were recorded, and after which it was to be tried again
	results   map[uint32]task.Result // that were recorded, by attempt
	end       *task.Task
	endedAt   time.Duration
	forgotten bool
	cancelled bool // a client was told so
}

type place struct{ slave, incarnation string }

func newRules(w *world) *rules {
	return &rules{w: w, stories: map[task.ID]*story{}, named: map[string]task.ID{}, keys: map[string]task.ID{}, told: map[string]task.ID{}}
}

// applied looks at an entry that was applied, and at the state after it.
func (r *rules) applied(proposals []fsm.Proposal, outcomes []fsm.Outcome) {
	for i, o := range outcomes {
		if o.Err != nil {
			if s, ok := proposals[i].Command.(fsm.SubmitTask); ok {
				r.w.refusedInLog[s.Spec.Expression] = true
			}
			continue
		}
		if f, ok := proposals[i].Command.(fsm.ForgetTasks); ok {
			r.forgot(f)
		}
		for _, e := range o.Events {
			r.event(proposals[i].Command, e)
		}
		if done, ok := proposals[i].Command.(fsm.CompleteTask); ok {
			r.recorded(done)
		}
	}
	r.counts()
}

func (r *rules) event(c fsm.Command, e fsm.Event) {
	if e.Task == nil {
		return
	}
	id := e.Task.ID
	s := r.stories[id]
	if e.Kind == fsm.TaskSubmitted {
		r.submitted(e.Task)
		return
	}
	switch e.Kind {
	case fsm.TaskAssigned:
		s.attempts = append(s.attempts, place{e.Attempt.Slave, e.Attempt.Incarnation})
		if int(e.Attempt.Attempt) != len(s.attempts) {
			r.w.failf("task %d: attempt %d comes after attempt %d", id, e.Attempt.Attempt, len(s.attempts)-1)
		}
	case fsm.TaskGivenUp:
		if _, failed := c.(fsm.CompleteTask); failed {
			s.retries++
		}
	case fsm.TaskDone, fsm.TaskStopped:
		if s.end != nil {
			r.w.failf("task %d ends twice: %+v, then %+v", id, *s.end, *e.Task)
		}
		end := *e.Task
		s.end, s.endedAt = &end, r.w.now
	default:
	}
}

func (r *rules) submitted(t *task.Task) {
	if old := r.stories[r.named[t.Spec.Expression]]; old != nil && !old.forgotten {
		r.w.failf("%s is recorded as task %d and as task %d", t.Spec.Expression, old.id, t.ID)
	}
	if old := r.stories[r.keys[t.Key]]; t.Key != "" && old != nil && !old.forgotten {
		r.w.failf("the key %s stands for task %d and for task %d", t.Key, old.id, t.ID)
	}
	r.stories[t.ID] = &story{id: t.ID, spec: t.Spec, results: map[uint32]task.Result{}}
	r.named[t.Spec.Expression] = t.ID
	if t.Key != "" {
		r.keys[t.Key] = t.ID
	}
}

// recorded looks at a result that was accepted.
func (r *rules) recorded(c fsm.CompleteTask) {
	at := c.Attempt
	s := r.stories[at.ID]
	if s == nil {
		r.w.failf("there is a result of task %d, and there is no such task", at.ID)
		return
	}
	if old, twice := s.results[at.Attempt]; twice && old != c.Result {
		r.w.failf("attempt %d of task %d has two results: %+v and %+v", at.Attempt, at.ID, old, c.Result)
	}
	s.results[at.Attempt] = c.Result
	if int(at.Attempt) != len(s.attempts) || s.attempts[at.Attempt-1] != (place{at.Slave, at.Incarnation}) {
		r.w.failf("a result counts of %+v, and the attempts were given to %v", at, s.attempts)
	}
	if !slices.Contains(s.begun, runKey{at.ID, at.Attempt}) {
		r.w.failf("a result counts of %+v, which no slave has run", at)
	}
}

func (r *rules) forgot(f fsm.ForgetTasks) {
	settings := r.w.script.settings.Defaulted()
	for id := task.ID(1); id <= f.UpTo; id++ {
		s := r.stories[id]
		if s == nil || s.end == nil || s.forgotten || slices.Contains(f.Keep, id) {
			continue
		}
		s.forgotten = true
		if age := r.w.now - s.endedAt; age < settings.Retention.Min {
			r.w.failf("task %d is forgotten %v after its end, and is to be kept for %v", id, age, settings.Retention.Min)
		}
	}
}

// counts holds the state's counters against a recount.
func (r *rules) counts() {
	v := r.w.journal.state.View()
	c := v.Counts()
	pending, running, busy := uint64(0), uint64(0), map[string]int{}
	v.Pending(func(task.Task) bool { pending++; return true })
	v.InProgress(func(t task.Task) bool { running++; busy[t.Slave]++; return true })
	if c.Submitted != c.Pending+c.InProgress+c.Done || c.Pending != pending || c.InProgress != running {
		r.w.failf("the counters are %+v, and %d tasks are pending and %d in progress", c, pending, running)
	}
	var sum task.Capacity
	for _, s := range v.Slaves() {
		if s.Busy != busy[s.Name] {
			r.w.failf("slave %s counts %d busy slots, and has %d", s.Name, s.Busy, busy[s.Name])
		}
		if s.State == task.SlaveAlive {
			sum.Slaves++
			sum.Slots += s.Slots
			sum.Busy += min(s.Busy, s.Slots)
		}
	}
	if got := v.Capacity(); got.Slaves != sum.Slaves || got.Slots != sum.Slots {
		r.w.failf("the capacity is %+v, and counted again it is %+v", got, sum)
	}
}

// began looks at an execution that begins.
func (r *rules) began(x *machine, o task.Order) {
	s, key := r.stories[o.ID], runKey{o.ID, o.Attempt}
	if s == nil || int(o.Attempt) > len(s.attempts) {
		r.w.failf("%s begins attempt %d of task %d, which was not assigned", x.name, o.Attempt, o.ID)
		return
	}
	if at := s.attempts[o.Attempt-1]; at != (place{x.name, x.incarnation}) {
		r.w.failf("%s begins attempt %d of task %d, which was given to %v", x.incarnation, o.Attempt, o.ID, at)
	}
	if slices.Contains(s.begun, key) && (!s.spec.Idempotent || !slices.Contains(s.letGo, key)) {
		r.w.failf("attempt %d of task %d begins twice", o.Attempt, o.ID)
	}
	if !s.spec.Idempotent && len(s.begun) > s.retries {
		r.w.failf("task %d must run once: attempts %v have begun, %d of them failed so that it may be tried again, and attempt %d begins", o.ID, s.begun, s.retries, o.Attempt)
	}
	if s.spec.Expression != o.Expression {
		r.w.failf("%s is to run %s for task %d, which is %s", x.name, o.Expression, o.ID, s.spec.Expression)
	}
	s.begun = append(s.begun, key)
}

func (r *rules) letGo(_ *machine, key runKey) {
	if s := r.stories[key.id]; s != nil {
		s.letGo = append(s.letGo, key)
	}
}

// verdicts looks at what a slave is told of its results: what is accepted is recorded.
func (r *rules) verdicts(x *machine, report task.Report, verdicts []task.Verdict) {
	for i, v := range verdicts {
		s := r.stories[v.ID]
		if v.Err == nil && (s == nil || s.results[v.Attempt] != report.Results[i]) {
			r.w.failf("%s is told that its result %+v is accepted, and it is not recorded", x.name, report.Results[i])
		}
	}
}

// acknowledged looks at the answer to a submit that was not refused.
func (r *rules) acknowledged(s *submission, a scheduler.Answer) {
	it := r.stories[a.Task.ID]
	if it == nil || it.spec.Expression != s.request.Spec.Expression {
		r.w.failf("the submit of %s is answered with task %d, which is another or does not exist", s.request.Spec.Expression, a.Task.ID)
		return
	}
	key := s.request.Key
	if key == "" {
		return
	}
	if before := r.told[key]; before != 0 && before != a.Task.ID && !r.stories[before].forgotten {
		r.w.failf("the key %s was said to be task %d, and is said to be task %d", key, before, a.Task.ID)
	}
	r.told[key] = a.Task.ID
}

// cancelled looks at the answer to a cancel.
func (r *rules) cancelled(id task.ID, call *scheduler.Call) {
	if call.Err != nil {
		return
	}
	s := r.stories[id]
	if s == nil || s.end == nil || s.end.Outcome != task.Cancelled {
		r.w.failf("task %d is said to be cancelled, and is not", id)
		return
	}
	s.cancelled = true
}
