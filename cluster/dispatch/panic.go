package dispatch

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"muster/task"
)

// A mistake in this program that makes a dispatcher panic must not end the process:
// clients and slaves would bring what it was about to the next leader, and to the
// one after that. It ends the dispatcher; see ADR 0014.

// PanicError is what Run returns when the dispatcher panicked. What its books say is not
// trusted any more: the next dispatcher starts from the state.
type PanicError struct {
	Value any
	Stack string

	about blame
}

// Error says what the panic was about.
func (p *PanicError) Error() string {
	return fmt.Sprintf("the dispatcher panicked%s: %v", p.about, p.Value)
}

// blame is what the core works on: a submit, or a task that waits.
type blame struct {
	submit *submit
	task   task.ID
}

func (b blame) String() string {
	switch {
	case b.submit != nil:
		return " over the submit of a task"
	case b.task != 0:
		return " over task " + b.task.String()
	default:
		return ""
	}
}

// caught runs f and returns its panic; nil for none.
func caught(f func()) (p *PanicError) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case *PanicError: // a worker's, raised again in the loop
			p = v
		default:
			p = &PanicError{Value: v, Stack: string(debug.Stack())}
		}
	}()
	f()
	return nil
}

// crashed takes in that the dispatcher panicked: with the books in doubt, it only
// waits until all that is under way has ended.
func (d *Dispatcher) crashed(c *core, p *PanicError) {
	p.about = c.about
	d.cfg.Logger.Error("the dispatcher panicked; this is a mistake in muster, please report it",
		"term", d.cfg.Term, "panic", p.Value, "about", p.about.String(), "stack", p.Stack)
	d.cfg.Breaker.note(p, time.Now())
	d.crash = p
	for ended := d.workersEnded(); ; {
		select {
		case <-d.inbox: // not looked at any more
		case <-ended:
			return
		}
	}
}

// lookAtAside takes tasks up again that were set aside.
func (c *core) lookAtAside(now time.Time) {
	for id, until := range c.aside {
		if now.Before(until) {
			continue
		}
		delete(c.aside, id)
		c.about = blame{task: id}
		if t, ok := c.view().Task(id); ok && t.Status == task.Pending {
			c.addPending(&t)
		}
	}
}

// leftOver is the answer to a submit that the loop took, or not, and did not answer
// before it ended.
func (d *Dispatcher) leftOver(s *submit) *task.Error {
	s = s.first()
	switch {
	case d.crash == nil:
		return notLeader() // it was not proposed
	case s.inLog:
		return task.Refuse(task.CodeOutcomeUnknown, "the leader failed while the task was being recorded; repeat it with the same Idempotency-Key to find out")
	case d.crash.about.submit == s:
		return suspected()
	default:
		return notLeader()
	}
}

// first is the submit whose answer this one gets: its own, or of the one that it
// repeats.
func (s *submit) first() *submit {
	if s.repeats != nil {
		return s.repeats
	}
	return s
}

func suspected() *task.Error {
	return task.Refuse(task.CodeInternal, "the leader failed while it looked at this task, by a mistake in muster that its log tells of; this call recorded nothing, "+
		"and the same task is refused for "+panicWindow.String()+": report it, and submit other tasks meanwhile")
}

// call makes a request to a slave. A panic in it is about that slave, and shares
// nothing with the books: it counts as an answer that could not be understood.
func (d *Dispatcher) call(ctx context.Context, r request) (resp response) {
	if err := caught(func() { resp = d.request(ctx, r) }); err != nil {
		resp = response{err: err}
		d.cfg.Breaker.count()
		d.cfg.Logger.Error("a request to a slave panicked; this is a mistake in muster, please report it",
			"slave", r.url, "panic", err.Value, "stack", err.Stack)
	}
	return resp
}
