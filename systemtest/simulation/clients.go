package simulation

import (
	"errors"
	"fmt"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// submission is one submit of a client. Its expression names it, so that its task can be
// told from all others.
type submission struct {
	w       *world
	request scheduler.Request
	batch   *batch
	fate    fate
	code    task.Code // of a refusal
	id      task.ID   // of an acknowledged one
	known   bool      // the answer said that the key was
}

// fate is what a client knows of its submit.
type fate uint8

const (
	open            fate = iota
	acknowledged201      // it has the task's id
	refused              // nothing was recorded
	unknown              // nobody can say
)

// batch is submissions that are handed in together, in their order.
type batch struct {
	items []*submission
	// alike: all of one class and priority, without keys, and with queue, so that their
	// ids come in their order.
	alike bool
}

// answered takes in the answer, once.
func (s *submission) answered(a scheduler.Answer, err error) {
	if s.fate != open {
		s.w.failf("the submit of %s is answered twice", s.request.Spec.Expression)
		return
	}
	var refusal *task.Error
	switch {
	case err == nil:
		s.fate, s.id, s.known = acknowledged201, a.Task.ID, a.Existing
		s.w.rules.acknowledged(s, a)
	case errors.As(err, &refusal) && refusal.Code != task.CodeOutcomeUnknown:
		s.fate, s.code = refused, refusal.Code
	default:
		s.fate = unknown
	}
	s.w.sayf("submit of %s (key %q): %v, task %d", s.request.Spec.Expression, s.request.Key, err, s.id)
}

// newRequest makes up a request.
func (w *world) newRequest(c chance) scheduler.Request {
	w.names++
	r := scheduler.Request{Spec: task.Spec{
		Kind: task.KindExpression, Expression: fmt.Sprintf("e%d", w.names), MaxTries: 1 + uint32(c.IntN(4)),
		TimeoutMS: int64(1000 + c.IntN(3000)),
	}, Queue: c.in(60), Explain: c.in(10)}
	s := &r.Spec
	if c.in(45) {
		s.Kind = pick(c, kindOnce, kindOnce, kindTwice)
	}
	if c.in(30) {
		s.Priority = task.Priority(c.IntN(4))
	}
	if c.in(12) {
		s.NotBefore = task.Moment{AfterMS: int64(1 + c.IntN(6000))}
	}
	if c.in(12) {
		s.Deadline = task.Moment{AfterMS: int64(1 + c.IntN(10_000))}
		if c.in(20) {
			s.Deadline = task.Moment{At: w.clock() + task.Millis(c.IntN(10_000)) - 1000}
		}
	}
	if c.in(15) {
		s.BackoffMS = int64(1 + c.IntN(2000))
	}
	if c.in(8) {
		s.Requires = []task.Label{{Name: "disk", Value: pick(c, "ssd", "tape", "none")}}
	}
	if c.in(4) && len(w.submissions) > 0 {
		s.RetryOf = pick(c, w.submissions...).id
	}
	if c.in(30) {
		r.Key = fmt.Sprintf("k%d", w.names)
	}
	return r
}

// submit hands submissions in, all at once, at whoever is taken for the leader.
func (w *world) submit(c chance, b *batch) {
	for _, s := range b.items {
		w.submissions = append(w.submissions, s)
		if s.request.Key != "" {
			w.keyed = append(w.keyed, s)
		}
	}
	w.after(c.between(0, 2*time.Millisecond), func() {
		m := w.anyLeader(c)
		if m == nil {
			for _, s := range b.items {
				s.answered(scheduler.Answer{}, errNoLead)
			}
			return
		}
		w.handIn(c, m, b)
	})
}

func (w *world) handIn(c chance, m *master, b *batch) {
	submits := make([]*scheduler.Submit, len(b.items))
	for i, s := range b.items {
		submits[i] = scheduler.NewSubmit(s.request)
		submits[i].Batch = s
	}
	taken := false
	m.put(func(now time.Time) {
		taken = true
		for _, s := range submits {
			m.submit(s, now)
		}
	})
	patience := c.between(300*time.Millisecond, 5*time.Second)
	w.after(patience, func() {
		if !taken {
			for _, s := range b.items {
				s.answered(scheduler.Answer{}, errNoLead) // it crashed, or ended, before it looked
			}
			return
		}
		m.put(func(now time.Time) {
			for _, s := range submits {
				m.core.Withdraw(s, now)
			}
		})
	})
}

// single is a batch of one.
func (w *world) single(r scheduler.Request) *batch {
	return &batch{items: []*submission{{w: w, request: r}}}
}

// newBatch makes up a batch: of all sorts, or of one.
func (w *world) newBatch(c chance) *batch {
	b := &batch{alike: c.in(60)}
	first := w.newRequest(c)
	for range 2 + c.IntN(20) {
		r := w.newRequest(c)
		if b.alike {
			expression := r.Spec.Expression
			r = first
			r.Key, r.Queue, r.Spec.Expression = "", true, expression
		}
		b.items = append(b.items, &submission{w: w, batch: b, request: r})
	}
	return b
}
