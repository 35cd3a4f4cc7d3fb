package evaluate

import (
	"context"
	"fmt"
	"time"

	"muster/task"
)

// batch is orders that were begun together.
type batch struct {
	ended func([]task.Ending)
	jobs  []job
}

// job is one order on its way: to a process, to another one if that is ended because
// of another job, and to one of its own if the process died by itself. One goroutine at
// a time has it: who takes it out of a child's pending ones, or waits for a process
// with it. That one hands it on or ends it.
type job struct {
	of    *batch
	place int
	order *task.Order
	moves int  // times that it is moved on because of another one
	alone bool // it runs in a process of its own

	// Under the pool's mu.
	at    *child        // where it is, or was, pending
	id    uint64        // there
	cause error         // why it is to end, if it is
	woken chan struct{} // closed with cause; nil while nobody waits with it
	over  chan struct{} // closed when it has ended; nil while nobody waits for that
}

// Begin computes orders in few processes and returns at once. ended is told what they
// came to: each once, together what is known together, on the pool's goroutines or on
// this one; it must not keep the list. stop has one of them end soon, with a cause as
// its error, unless it ends by itself before; a process that does not stop computing
// is killed, and what else it computed goes on in another one. Any other error is the
// expression's own, unless it says that it is Retryable.
func (p *Pool) Begin(orders []task.Order, ended func([]task.Ending)) (stop func(place int, cause error)) {
	b := &batch{ended: ended, jobs: make([]job, len(orders))}
	fit := make([]*job, 0, len(orders))
	for i := range orders {
		j := &b.jobs[i]
		j.of, j.place, j.order = b, i, &orders[i]
		if n := sizeOf(j.order); n > maxRecord {
			j.fail(fmt.Errorf("the expression and its parameters have %d bytes; at most %d are possible", n, maxRecord))
			continue
		}
		fit = append(fit, j)
	}
	p.place(fit)
	return func(place int, cause error) { p.stop(&b.jobs[place], cause) }
}

// Evaluate computes one order and waits for it. When ctx ends it returns ctx's cause.
func (p *Pool) Evaluate(ctx context.Context, o task.Order) (task.Value, error) {
	done := make(chan task.Ending, 1)
	stop := p.Begin([]task.Order{o}, func(e []task.Ending) { done <- e[0] })
	select {
	case e := <-done:
		return e.Value, e.Err
	case <-ctx.Done():
	}
	stop(0, context.Cause(ctx))
	e := <-done
	return e.Value, e.Err
}

// fail ends a job with an error. The caller has the job, and not the pool's mu.
func (j *job) fail(err error) {
	if j.over != nil {
		close(j.over)
	}
	j.of.ended([]task.Ending{{Place: j.place, Err: err}})
}

// place hands jobs to the children that have the least to do, in parts that are worth a
// process's while. The caller has the jobs.
func (p *Pool) place(jobs []*job) {
	if err := p.tryPlace(jobs); err != nil {
		for _, j := range jobs {
			j.fail(err)
		}
	}
}

// tryPlace fails for all of the jobs or for none.
func (p *Pool) tryPlace(jobs []*job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for rest := jobs; len(rest) > 0; {
		c, _, err := p.tryPick()
		switch {
		case err != nil && len(rest) == len(jobs):
			return err
		case c == nil: // or there is none after the first ones had one
			for _, j := range rest {
				p.steps.Go(func() { p.await(j) })
			}
			return nil
		}
		n := min(p.part(), len(rest))
		c.begin(rest[:n])
		rest = rest[n:]
	}
	return nil
}

// await hands a job to a child when there is one.
func (p *Pool) await(j *job) {
	for {
		wait, woken, err := p.tryAwait(j)
		if err != nil {
			j.fail(err)
			return
		}
		if woken == nil {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.closing:
		case <-woken:
		}
		timer.Stop()
	}
}

// tryAwait returns what to wait for; nil if the job was handed over.
func (p *Pool) tryAwait(j *job) (wait time.Duration, woken <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.cause != nil {
		return 0, nil, j.cause
	}
	c, wait, err := p.tryPick()
	if err != nil {
		return 0, nil, err
	}
	if c != nil {
		c.begin([]*job{j})
		return 0, nil, nil
	}
	return wait, j.waker(), nil
}

// waker is closed when the job is stopped. The caller holds the pool's mu.
func (j *job) waker() <-chan struct{} {
	if j.woken == nil {
		j.woken = make(chan struct{})
	}
	return j.woken
}

// isolate computes a job in a process that nothing else runs in. If that one dies, too,
// the job is the cause, as far as anybody can tell.
func (p *Pool) isolate(j *job) {
	p.mu.Lock()
	woken := j.waker()
	p.mu.Unlock()
	select {
	case p.quarantine <- struct{}{}:
		defer func() { <-p.quarantine }()
	case <-p.closing: // start says so
	case <-woken:
	}
	c, err := p.startFor(j)
	if err != nil {
		j.fail(err)
		return
	}
	<-j.over
	c.end()
}

// startFor starts a process for one job alone.
func (p *Pool) startFor(j *job) (*child, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.cause != nil {
		return nil, j.cause
	}
	c, err := p.start()
	if err != nil {
		return nil, err
	}
	j.alone = true
	if j.over == nil {
		j.over = make(chan struct{})
	}
	c.begin([]*job{j})
	return c, nil
}

// stop ends a job, wherever it is.
func (p *Pool) stop(j *job, cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.cause != nil {
		return
	}
	j.cause = cause
	if j.woken != nil {
		close(j.woken)
	}
	c := j.at
	if c == nil || c.pending[j.id] != j || p.closed {
		return // it has ended, or who has it looks for a cause; all processes end with the pool
	}
	if j.over == nil {
		j.over = make(chan struct{})
	}
	p.steps.Go(func() { c.giveUp(j) })
}

// settle ends the jobs that a process has answered.
func (p *Pool) settle(c *child, answers []answer) {
	answered, lost := p.take(c, answers)
	endings := make([]task.Ending, 0, len(answered))
	for i, a := range answered {
		e := task.Ending{Place: a.job.place, Err: a.cause}
		if a.cause == nil {
			e.Value, e.Err = a.answer.result()
		}
		if a.job.over != nil {
			close(a.job.over)
		}
		if endings = append(endings, e); i+1 == len(answered) || answered[i+1].job.of != a.job.of {
			a.job.of.ended(endings)
			endings = endings[:0]
		}
	}
	p.lose(lost, true)
}

// answered is a job and what came of it.
type answered struct {
	job    *job
	answer *answer
	cause  error // not nil: it was stopped with this
}

// take takes the jobs that answers are for from a process. Lost are those that it gave
// up although nobody asked for that: it is ending.
func (p *Pool) take(c *child, answers []answer) (taken []answered, lost []*job) {
	taken = make([]answered, 0, len(answers))
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range answers {
		a := &answers[i]
		if a.evaluations > 0 {
			p.learn(a.took / time.Duration(a.evaluations))
			continue
		}
		j := c.pending[a.id]
		if j == nil {
			continue // it was never asked for
		}
		delete(c.pending, a.id)
		switch {
		case !a.stopped:
			taken = append(taken, answered{job: j, answer: a})
		case j.cause != nil:
			taken = append(taken, answered{job: j, cause: j.cause})
		default:
			lost = append(lost, j)
		}
	}
	return taken, lost
}

// lose goes on with jobs whose process is gone: it died by itself, or was killed
// because of another job. The caller has the jobs.
func (p *Pool) lose(jobs []*job, died bool) {
	var again []*job
	for _, j := range jobs {
		err := p.whyNot(j)
		if err == nil && j.alone {
			err = DiedError{}
		}
		switch j.moves++; {
		case err != nil:
			j.fail(err)
		case !died && j.moves < maxInnocent:
			again = append(again, j)
		case !p.begin(func() { p.isolate(j) }):
			j.fail(errClosed)
		}
	}
	p.place(again)
}

// whyNot is why a job should not be tried again, if it should not.
func (p *Pool) whyNot(j *job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.cause == nil && p.closed {
		return errClosed
	}
	return j.cause
}

// begin runs a step that may wait, unless the pool is closed.
func (p *Pool) begin(step func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.steps.Go(step)
	return true
}
