package slavetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const needsCommand = "give the slave's command after --, so that the test can end and start it"

// drain: after SIGTERM the slave takes nothing new, and finishes and reports what
// it has.
func drain(ctx context.Context, t *tester) (string, error) {
	if t.life == nil {
		return "", skip(needsCommand)
	}
	o, _, err := t.long(ctx)
	if err != nil {
		return "", err
	}
	if err := t.term(); err != nil {
		return "", err
	}
	t.begun = nil // it must finish, so it is not cancelled
	if err := t.awaitFree(ctx, t.cfg.LongFor, func(free int) bool { return free == 0 }); err != nil {
		return "", fmt.Errorf("after SIGTERM, with a task running: %w", err)
	}
	if _, err := t.expect(ctx, []order{t.order(t.cfg.Short)}, "refused:draining"); err != nil {
		return "", err
	}
	if !t.master.await(ctx, t.cfg.LongFor+t.cfg.Patience, func() bool { return len(t.master.told[o.key()]) > 0 }) {
		return "", failed("what ran at SIGTERM was not reported within %s", t.cfg.LongFor+t.cfg.Patience)
	}
	if r := t.master.reports(o.key())[0]; r.outcome() != "succeeded" {
		return "", failed("what ran at SIGTERM %s: %s", r.outcome(), r.Error)
	}
	return "took nothing new, finished and reported what ran", nil
}

// term asks the slave to drain, once: a second signal may end it at once.
func (t *tester) term() error {
	if t.termed {
		return nil
	}
	t.termed = true
	err := t.life.Term()
	if errors.Is(err, ErrNoSignal) {
		t.termed = false
		return skip(err.Error())
	}
	return err
}

// leaves: a drained slave says goodbye and ends.
func leaves(ctx context.Context, t *tester) (string, error) {
	if t.life == nil {
		return "", skip(needsCommand)
	}
	if err := t.term(); err != nil {
		return "", err
	}
	m := t.master
	if !m.await(ctx, t.cfg.LongFor+t.cfg.Patience, func() bool { return slices.Contains(m.left, t.self.Incarnation) }) {
		return "", failed("no POST /v1/slaves/%s/leave came within %s", t.self.Name, t.cfg.LongFor+t.cfg.Patience)
	}
	if !t.awaitEnd(ctx) {
		return "", failed("it said goodbye and had not ended %s later", t.cfg.Patience)
	}
	return "said goodbye and ended", nil
}

func (t *tester) awaitEnd(ctx context.Context) bool {
	end := time.NewTimer(t.cfg.Patience)
	defer end.Stop()
	select {
	case <-t.life.Ended():
		return true
	case <-end.C:
	case <-ctx.Done():
	}
	return false
}

// restart: each start is another incarnation.
func restart(ctx context.Context, t *tester) (string, error) {
	if t.life == nil {
		return "", skip(needsCommand)
	}
	if err := t.life.Kill(); err != nil {
		return "", err
	}
	before := t.self.Incarnation
	m := t.master
	m.mu.Lock()
	count := len(m.registrations)
	m.mu.Unlock()
	life, err := t.cfg.Start(ctx)
	if err != nil {
		return "", err
	}
	t.life = life
	if !m.await(ctx, t.cfg.Register, func() bool { return len(m.registrations) > count }) {
		return "", failed("it did not register within %s of its second start", t.cfg.Register)
	}
	if _, err := t.meet(); err != nil {
		return "", err
	}
	if t.self.Incarnation == before {
		return "", failed("its second start has the incarnation %s of the first", before)
	}
	return fmt.Sprintf("%s, then %s", before, t.self.Incarnation), t.refusesIncarnation(ctx, before)
}
