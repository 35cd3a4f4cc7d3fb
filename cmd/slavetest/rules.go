package slavetest

import (
	"context"
	"fmt"
	"slices"
)

// ruleRegisters comes first: without a registration no other is tried.
const ruleRegisters = "registers"

// rules are in the order in which they are tried. Their names are what users see
// and rely on.
func rules() []rule {
	return []rule{
		{ruleRegisters, registers},
		{"follows-leader", followsLeader},
		{"available", available},
		{"unstamped", unstamped},
		{"runs-and-reports", runsAndReports},
		{"unknown-kind", unknownKind},
		{"bad-requests", badRequests},
		{"stale-term", staleTerm},
		{"stale-sequence", staleSequence},
		{"new-term", newTerm},
		{"other-cluster", otherCluster},
		{"wrong-incarnation", wrongIncarnation},
		{"slots", slotsRespected},
		{"duplicate-running", duplicateRunning},
		{"duplicate-finished", duplicateFinished},
		{"older-attempt", olderAttempt},
		{"held", held},
		{"cancel", cancelFrees},
		{"repeats-lost-answer", repeats(hangingUp)},
		{"repeats-without-leader", repeats(withoutLead)},
		{"lets-go-stale", letsGo(stale)},
		{"lets-go-unknown", letsGo(notFound)},
		{"new-cluster", newCluster},
		{"counter", func(_ context.Context, t *tester) (string, error) { return t.words.verdict() }},
		{"drain", drain},
		{"leaves", leaves},
		{"restart", restart},
	}
}

// A slave listens, then registers with any master, and says what it is.
func registers(ctx context.Context, t *tester) (string, error) {
	m := t.master
	if !m.await(ctx, t.cfg.Register, func() bool { return len(m.registrations) > 0 }) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.wrong != "" {
			return "", failed("%s", m.wrong)
		}
		return "", failed("no registration came to %s in %s: give the slave that address as its master", t.cfg.Listen, t.cfg.Register)
	}
	return t.meet()
}

// meet takes in the last registration.
func (t *tester) meet() (string, error) {
	m := t.master
	m.mu.Lock()
	defer m.mu.Unlock()
	t.self = m.registrations[len(m.registrations)-1]
	t.slots = max(t.self.Slots, 1)
	known := slices.IndexFunc(t.self.Kinds, func(k kind) bool { return k.Name == t.cfg.Kind })
	switch {
	case m.wrong != "":
		return "", failed("%s", m.wrong)
	case t.self.Name == "" || t.self.URL == "" || t.self.Incarnation == "":
		return "", failed("the registration lacks a name, a url or an incarnation: %+v", t.self)
	case known < 0:
		return "", failed("it registered without the kind %q; choose another with --kind", t.cfg.Kind)
	case t.self.Kinds[known].Idempotent == nil:
		return "", failed("it does not say whether the kind %q is idempotent", t.cfg.Kind)
	}
	return fmt.Sprintf("%s with %d slots, at %s", t.self.Name, t.slots, t.self.URL), nil
}

// A follower answers 307 with the leader's address in Location.
func followsLeader(_ context.Context, t *tester) (string, error) {
	t.master.mu.Lock()
	defer t.master.mu.Unlock()
	switch {
	case t.master.redirects == 0:
		return "", failed("it did not call the follower at %s", t.cfg.Listen)
	case !t.master.atLeader:
		return "", failed("it did not follow %d redirects from %s to %s", t.master.redirects, t.cfg.Listen, t.master.url)
	}
	return "redirected to " + t.master.url, nil
}

// An idle slave says so, in the words of the protocol.
func available(ctx context.Context, t *tester) (string, error) {
	a, err := t.leader.ask(ctx, "GET", "/available", nil)
	switch {
	case err != nil:
		return "", err
	case a.status != 200:
		return "", failed("%v", a)
	case a.Incarnation != t.self.Incarnation || *a.Slots != t.slots:
		return "", failed("it registered as %s with %d slots and answers as %s with %d", t.self.Incarnation, t.slots, a.Incarnation, *a.Slots)
	case *a.Free != t.slots:
		return "", failed("it is idle, and %d of %d slots are free", *a.Free, *a.Slots)
	}
	return fmt.Sprintf("%q with %d of %d slots free", a.Answer, *a.Free, *a.Slots), nil
}

// A person may ask without a stamp, and that does not count as a leader's word.
func unstamped(ctx context.Context, t *tester) (string, error) {
	for _, path := range []string{"/available", "/tasks"} {
		a, err := t.leader.askWith(ctx, nil, "GET", path, nil)
		if err != nil {
			return "", err
		}
		if a.status != 200 {
			return "", failed("GET %s without a stamp: %v", path, a)
		}
	}
	return "GET /available and GET /tasks are answered without a stamp", nil
}

// A task is accepted, run, and its result reported.
func runsAndReports(ctx context.Context, t *tester) (string, error) {
	o, r, err := t.short(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case r.outcome() != "succeeded":
		return "", failed("the short task %s: %s", r.outcome(), r.Error)
	case r.Result != "" && r.ResultType == "":
		return "", failed("the result %.50q has no result_type", r.Result)
	case t.cfg.Want != "" && r.Result != t.cfg.Want:
		return "", failed("the result is %.100q, want %.100q", r.Result, t.cfg.Want)
	}
	if err := t.noMore(ctx, o.key(), 1); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %.50q, reported once", r.ResultType, r.Result), t.letGo(ctx, o.key())
}

func unknownKind(ctx context.Context, t *tester) (string, error) {
	o := t.order(t.cfg.Short)
	o.Kind = "no-such-kind"
	_, err := t.expect(ctx, []order{o}, "refused:unknown_kind")
	return "refused: unknown_kind", err
}

// Who does not speak the protocol gets 400 or 404, and nothing happens.
func badRequests(ctx context.Context, t *tester) (string, error) {
	last := t.leader.last()
	last.sequence += 2 // above what is used; refused requests must not count
	o := t.order(t.cfg.Short)
	for _, c := range []struct {
		what, method, path string
		stamp              *stamp
		body               any
		status             int
	}{
		{"half a JSON object", "POST", "/tasks", &last, raw(`{"incarnation":`), 400},
		{"a body without tasks", "POST", "/tasks", &last, map[string]any{"incarnation": t.self.Incarnation}, 400},
		{"tasks without a stamp", "POST", "/tasks", nil, t.body(o), 400},
		{"the id 0", "POST", "/tasks/0/cancel", &last, map[string]any{"incarnation": t.self.Incarnation, "attempt": 1}, 400},
		{"a path that is not there", "GET", "/no-such-path", nil, nil, 404},
	} {
		a, err := t.leader.askWith(ctx, c.stamp, c.method, c.path, c.body)
		if err != nil {
			return "", err
		}
		if a.status != c.status {
			return "", failed("%s: %v, want %d", c.what, a, c.status)
		}
	}
	if status, err := t.holds(ctx, o.key()); err != nil || status != "" {
		return "", orElse(err, failed("a task without a stamp is %s", status))
	}
	return "400 and 404, and nothing began", nil
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
