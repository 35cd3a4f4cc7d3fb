package simulation

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// question is a request of a master to a slave, until it has its answer.
type question struct {
	m        *master
	r        *scheduler.SlaveRequest
	answered bool
}

var (
	errNoAnswer = errors.New("no answer came in time")
	errReset    = errors.New("the connection was reset")
	errClosed   = fmt.Errorf("%w: %w", task.ErrUnreached, task.ErrRefused)
)

// stamp numbers a request.
func (m *master) stamp() task.Stamp {
	*m.sequence++
	return task.Stamp{Cluster: "c", Term: m.term, Sequence: *m.sequence}
}

// ask carries a request to a slave, and the answer back.
func (m *master) ask(r *scheduler.SlaveRequest) {
	q := &question{m: m, r: r}
	m.questions = append(m.questions, q)
	stamp := m.stamp()
	x := m.w.byURL(r.URL)
	if m.w.trace.on {
		m.w.sayf("  asks %s (%s) %d: %d orders %v, cancel %v", r.URL, r.Incarnation, r.Kind, len(r.Orders), stamp, r.Cancel)
	}
	m.w.carry(x, r.Timeout, func(answer func(scheduler.SlaveResponse)) { x.asked(stamp, r, answer) }, q.answer)
}

// answer gives the core what came of the request, once.
func (q *question) answer(resp scheduler.SlaveResponse) {
	if q.answered {
		return
	}
	q.answered = true
	q.m.questions = slices.DeleteFunc(q.m.questions, func(o *question) bool { return o == q })
	q.m.put(func(now time.Time) { q.m.core.Answered(q.r, resp, now) })
}

// carry takes a request to a machine, where do answers it, and the answer back. One of
// the two may get lost, or come when nobody waits for it any more.
func (w *world) carry(x *machine, timeout time.Duration, do func(answer func(scheduler.SlaveResponse)), back func(scheduler.SlaveResponse)) {
	unsent := x.cut && x.chance.in(50) // no connection is made
	w.after(timeout, func() {
		if unsent {
			back(scheduler.SlaveResponse{Err: task.ErrUnreached})
		} else {
			back(scheduler.SlaveResponse{Err: errNoAnswer})
		}
	})
	if x.cut || w.loses(x.chance) {
		return
	}
	unsent = false
	boot := x.boots
	w.after(w.latency(x.chance), func() {
		switch {
		case !x.up:
			back(scheduler.SlaveResponse{Err: errClosed})
		case x.boots != boot && x.chance.in(50):
			back(scheduler.SlaveResponse{Err: errReset}) // it was for the process before
		default:
			do(func(resp scheduler.SlaveResponse) {
				if x.cut || w.loses(x.chance) {
					return
				}
				w.after(w.latency(x.chance), func() { back(resp) })
			})
		}
	})
}

// loses tells whether a message gets lost.
func (w *world) loses(c chance) bool { return w.noisy(lostMessages) && c.in(5) }

// latency is how long a message takes.
func (w *world) latency(c chance) time.Duration {
	switch {
	case w.noisy(slowMessages) && c.in(3):
		return c.between(0, 8*time.Second)
	case w.noisy(slowMessages) && c.in(15):
		return c.between(0, 400*time.Millisecond)
	default:
		return c.between(100*time.Microsecond, 2*time.Millisecond)
	}
}
