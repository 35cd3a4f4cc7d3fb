package slavetest

import (
	"context"
	"fmt"
	"time"
)

// order makes a new task of the slave's kind.
func (t *tester) order(o Order) order {
	t.id++
	parameters, _ := o.parameters() // checked before
	return order{ID: t.id, Attempt: 1, Kind: t.cfg.Kind, Expression: o.Expression, Parameters: parameters, TimeoutMS: 300_000}
}

func (o order) key() attemptKey { return attemptKey{o.ID, o.Attempt} }

// send gives orders to the slave, in one request.
func (t *tester) send(ctx context.Context, orders ...order) (answer, error) {
	for _, o := range orders {
		t.begun = append(t.begun, o.key())
	}
	return t.leader.ask(ctx, "POST", "/tasks", t.body(orders...))
}

func (t *tester) body(orders ...order) map[string]any {
	return map[string]any{"incarnation": t.self.Incarnation, "tasks": orders}
}

// expect sends orders and wants these statuses ("refused:no_slot" with a reason).
func (t *tester) expect(ctx context.Context, orders []order, statuses ...string) (answer, error) {
	a, err := t.send(ctx, orders...)
	if err != nil {
		return a, err
	}
	if a.status != 200 || len(a.Tasks) != len(orders) {
		return a, failed("POST /tasks with %d tasks: %v", len(orders), a)
	}
	for i, o := range orders {
		r, want := a.Tasks[i], statuses[i]
		got := r.Status
		if r.Reason != "" {
			got += ":" + r.Reason
		}
		if r.ID != o.ID || r.Attempt != o.Attempt || got != want {
			return a, failed("task %d of %d in one POST /tasks: %q for attempt %d of task %d, want %q for attempt %d of task %d",
				i+1, len(orders), got, r.Attempt, r.ID, want, o.Attempt, o.ID)
		}
	}
	return a, nil
}

func (t *tester) cancel(ctx context.Context, k attemptKey) (answer, error) {
	return t.leader.ask(ctx, "POST", fmt.Sprintf("/tasks/%d/cancel", k.id),
		map[string]any{"incarnation": t.self.Incarnation, "attempt": k.attempt})
}

// holds returns the status with which GET /tasks lists an attempt, or "".
func (t *tester) holds(ctx context.Context, k attemptKey) (string, error) {
	a, err := t.leader.ask(ctx, "GET", "/tasks", nil)
	if err == nil && (a.status != 200 || a.Tasks == nil) {
		err = failed("GET /tasks: %v", a)
	}
	if err != nil {
		return "", err
	}
	status := ""
	for _, r := range a.Tasks {
		if r.ID == k.id && r.Attempt == k.attempt {
			if status != "" {
				return "", failed("GET /tasks lists attempt %d of task %d twice", k.attempt, k.id)
			}
			status = r.Status
		}
	}
	return status, nil
}

// short runs a short task and returns it with its first report.
func (t *tester) short(ctx context.Context) (order, result, error) {
	o := t.order(t.cfg.Short)
	if _, err := t.expect(ctx, []order{o}, "accepted"); err != nil {
		return o, result{}, err
	}
	if err := t.awaitReports(ctx, o.key(), 1); err != nil {
		return o, result{}, err
	}
	return o, t.master.reports(o.key())[0], nil
}

// awaitReports waits until an attempt was reported so many times.
func (t *tester) awaitReports(ctx context.Context, k attemptKey, times int) error {
	if !t.master.await(ctx, t.cfg.Patience, func() bool { return len(t.master.told[k]) >= times }) {
		return failed("its result came %d times in %s, while the master %s; want %d times",
			len(t.master.reports(k)), t.cfg.Patience, t.currentMode(), times)
	}
	return nil
}

func (t *tester) currentMode() mode {
	t.master.mu.Lock()
	defer t.master.mu.Unlock()
	return t.master.mode
}

// noMore wants no report of an attempt beyond those that came already.
func (t *tester) noMore(ctx context.Context, k attemptKey, already int) error {
	if t.master.await(ctx, t.cfg.Quiet, func() bool { return len(t.master.told[k]) > already }) {
		return failed("its result came again, though the master %s", t.currentMode())
	}
	return nil
}

// letGo wants an attempt to vanish from GET /tasks.
func (t *tester) letGo(ctx context.Context, k attemptKey) error {
	return t.poll(ctx, t.cfg.Patience, func() (bool, string, error) {
		status, err := t.holds(ctx, k)
		return status == "", "GET /tasks lists it as " + status, err
	})
}

// keeps wants an attempt to be listed as running, and so many slots to be free.
func (t *tester) keeps(ctx context.Context, k attemptKey, free int) error {
	status, err := t.holds(ctx, k)
	if err != nil {
		return err
	}
	if status != "running" {
		return failed("GET /tasks lists the attempt that runs as %q", status)
	}
	a, err := t.leader.ask(ctx, "GET", "/available", nil)
	if err != nil {
		return err
	}
	if a.status != 200 || *a.Free != free {
		return failed("with one attempt running GET /available says %v, %v free; want %d", a, value(a.Free), free)
	}
	return nil
}

func value(n *int) any {
	if n == nil {
		return "none"
	}
	return *n
}

// long runs a long task alone.
func (t *tester) long(ctx context.Context) (order, time.Time, error) {
	o := t.order(t.cfg.Long)
	start := time.Now()
	_, err := t.expect(ctx, []order{o}, "accepted")
	return o, start, err
}
