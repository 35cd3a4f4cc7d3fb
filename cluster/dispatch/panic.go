package dispatch

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"muster/cluster/dispatch/scheduler"
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

	about scheduler.Blame
}

// Error says what the panic was about.
func (p *PanicError) Error() string {
	return fmt.Sprintf("the dispatcher panicked%s: %v", p.about, p.Value)
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
func (d *Dispatcher) crashed(p *PanicError) {
	if d.core != nil {
		p.about = d.core.About()
	}
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

// leftOver is the answer to a submit that the loop took, or not, and did not answer
// before it ended.
func (d *Dispatcher) leftOver(s *scheduler.Submit) *task.Error {
	switch {
	case d.crash == nil:
		return notLeader() // it was not proposed
	case s.InLog():
		return task.Refuse(task.CodeOutcomeUnknown, "the leader failed while the task was being recorded; repeat it with the same Idempotency-Key to find out")
	case s.Is(d.crash.about.Submit):
		return scheduler.Suspected(panicWindow)
	default:
		return notLeader()
	}
}

// call makes a request to a slave. A panic in it is about that slave, and shares
// nothing with the books: it counts as an answer that could not be understood.
func (d *Dispatcher) call(ctx context.Context, r *scheduler.SlaveRequest, stamp task.Stamp) (resp scheduler.SlaveResponse) {
	if err := caught(func() { resp = d.request(ctx, r, stamp) }); err != nil {
		resp = scheduler.SlaveResponse{Err: err}
		d.cfg.Breaker.count()
		d.cfg.Logger.Error("a request to a slave panicked; this is a mistake in muster, please report it",
			"slave", r.URL, "panic", err.Value, "stack", err.Stack)
	}
	return resp
}
