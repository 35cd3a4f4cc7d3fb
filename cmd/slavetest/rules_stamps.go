package slavetest

import (
	"context"
	"fmt"
)

// A leader that was deposed must start nothing, however high its sequence is.
func staleTerm(ctx context.Context, t *tester) (string, error) {
	old := t.leader.last()
	old.term--
	old.sequence += 1000
	return t.refusesOld(ctx, old)
}

// A request that was overtaken by another must start nothing.
func staleSequence(ctx context.Context, t *tester) (string, error) {
	if _, err := t.leader.ask(ctx, "GET", "/available", nil); err != nil {
		return "", err
	}
	last := t.leader.last()
	if seen, err := t.refusesOld(ctx, last); err != nil {
		return seen, err
	}
	last.sequence--
	return t.refusesOld(ctx, last)
}

func (t *tester) refusesOld(ctx context.Context, old stamp) (string, error) {
	o := t.order(t.cfg.Short)
	t.begun = append(t.begun, o.key())
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"POST", "/tasks", t.body(o)},
		{"GET", "/available", nil},
		{"GET", "/tasks", nil},
		{"POST", fmt.Sprintf("/tasks/%d/cancel", o.ID), map[string]any{"incarnation": t.self.Incarnation, "attempt": 1}},
	} {
		a, err := t.leader.askWith(ctx, &old, c.method, c.path, c.body)
		if err != nil {
			return "", err
		}
		if a.status != 409 || a.Code != "stale_term" {
			now := t.leader.last()
			return "", failed("%s %s with term %d and sequence %d, after term %d and sequence %d: %v, want 409 stale_term",
				c.method, c.path, old.term, old.sequence, now.term, now.sequence, a)
		}
	}
	if status, err := t.holds(ctx, o.key()); err != nil || status != "" {
		return "", orElse(err, failed("the refused task is %s", status))
	}
	return "409 stale_term, and nothing began", nil
}

// A new leader counts from one again.
func newTerm(ctx context.Context, t *tester) (string, error) {
	t.leader.newTerm()
	a, err := t.leader.ask(ctx, "GET", "/available", nil)
	if err == nil && a.status != 200 {
		err = failed("the first request of a new term: %v", a)
	}
	return "a higher term with a lower sequence is heard", err
}

// What is meant for an earlier start of the slave must not begin in this one.
func wrongIncarnation(ctx context.Context, t *tester) (string, error) {
	if err := t.refusesIncarnation(ctx, t.self.Incarnation+"0"); err != nil {
		return "", err
	}
	o, _, err := t.long(ctx)
	if err != nil {
		return "", err
	}
	a, err := t.leader.ask(ctx, "POST", fmt.Sprintf("/tasks/%d/cancel", o.ID), map[string]any{"incarnation": "another", "attempt": 1})
	if err != nil {
		return "", err
	}
	if a.status != 409 || a.Code != "wrong_incarnation" {
		return "", failed("a cancel for another incarnation: %v, want 409 wrong_incarnation", a)
	}
	return "409 wrong_incarnation, with its own", t.keeps(ctx, o.key(), t.slots-1)
}

func (t *tester) refusesIncarnation(ctx context.Context, other string) error {
	o := t.order(t.cfg.Short)
	t.begun = append(t.begun, o.key())
	a, err := t.leader.ask(ctx, "POST", "/tasks", map[string]any{"incarnation": other, "tasks": []order{o}})
	if err != nil {
		return err
	}
	if a.status != 409 || a.Code != "wrong_incarnation" || a.Incarnation != t.self.Incarnation {
		return failed("a task for the incarnation %s: %v (incarnation %q), want 409 wrong_incarnation with %q", other, a, a.Incarnation, t.self.Incarnation)
	}
	if status, err := t.holds(ctx, o.key()); err != nil || status != "" {
		return orElse(err, failed("the refused task is %s", status))
	}
	return nil
}
