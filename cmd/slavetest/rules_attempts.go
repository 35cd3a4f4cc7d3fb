package slavetest

import (
	"context"
	"fmt"
	"time"
)

// maxFilled bounds how many long tasks the test starts at once.
const maxFilled = 64

// There are never more attempts than slots, and the slave says how many are free.
func slotsRespected(ctx context.Context, t *tester) (string, error) {
	if t.slots > maxFilled {
		return "", skip(fmt.Sprintf("it has %d slots; start it with at most %d to try this", t.slots, maxFilled))
	}
	var orders []order
	var want []string
	for range t.slots {
		orders = append(orders, t.order(t.cfg.Long))
		want = append(want, "accepted")
	}
	orders, want = append(orders, t.order(t.cfg.Long)), append(want, "refused:no_slot")
	a, err := t.expect(ctx, orders, want...)
	if err == nil && *a.Free != 0 {
		err = failed("with all %d slots taken its answer says that %d are free", t.slots, *a.Free)
	}
	if err == nil {
		a, err = t.leader.ask(ctx, "GET", "/available", nil)
	}
	if err == nil && (a.status != 200 || *a.Free != 0) {
		err = failed("with all %d slots taken GET /available: %v, %v free", t.slots, a, value(a.Free))
	}
	return fmt.Sprintf("%d accepted, one more refused: no_slot; %q", t.slots, a.Answer), err
}

// An attempt that is sent again while it runs is not run again.
func duplicateRunning(ctx context.Context, t *tester) (string, error) {
	o := t.order(t.cfg.Long)
	if _, err := t.expect(ctx, []order{o, o}, "accepted", "running"); err != nil {
		return "", err
	}
	if _, err := t.expect(ctx, []order{o}, "running"); err != nil {
		return "", err
	}
	return "sent three times, run once", t.keeps(ctx, o.key(), t.slots-1)
}

// An attempt that is sent again after its end is answered with its result.
func duplicateFinished(ctx context.Context, t *tester) (string, error) {
	o, r, err := t.short(ctx)
	if err != nil {
		return "", err
	}
	a, err := t.expect(ctx, []order{o}, "finished")
	if err != nil {
		return "", err
	}
	got := a.Tasks[0]
	if got.Outcome != r.outcome() || got.Result != r.Result || got.ResultType != r.ResultType {
		return "", failed("finished with %q %s %.50q, and reported as %q %s %.50q", got.Outcome, got.ResultType, got.Result, r.outcome(), r.ResultType, r.Result)
	}
	return "finished, with the result that was reported", t.noMore(ctx, o.key(), 1)
}

// When a later attempt was seen, an earlier one of the same task is over.
func olderAttempt(ctx context.Context, t *tester) (string, error) {
	second := t.order(t.cfg.Short)
	second.Attempt = 2
	if _, err := t.expect(ctx, []order{second}, "accepted"); err != nil {
		return "", err
	}
	first := second
	first.Attempt = 1
	_, err := t.expect(ctx, []order{first}, "refused:superseded")
	return "refused: superseded", err
}

// GET /tasks lists what runs, and what is finished and not yet acknowledged.
func held(ctx context.Context, t *tester) (string, error) {
	o, _, err := t.long(ctx)
	if err != nil {
		return "", err
	}
	if err := t.keeps(ctx, o.key(), t.slots-1); err != nil {
		return "", err
	}
	if _, err := t.cancel(ctx, o.key()); err != nil {
		return "", err
	}
	t.master.answerWith(withoutLead)
	done, _, err := t.short(ctx)
	if err == nil {
		err = t.holdsFinished(ctx, done.key())
	}
	return "running, and finished until it is acknowledged", err
}

func (t *tester) holdsFinished(ctx context.Context, k attemptKey) error {
	status, err := t.holds(ctx, k)
	if err == nil && status != "finished" {
		err = failed("GET /tasks lists the attempt whose result is not acknowledged as %q", status)
	}
	return err
}

// A cancelled attempt ends, and its slot is free.
func cancelFrees(ctx context.Context, t *tester) (string, error) {
	o, start, err := t.long(ctx)
	if err != nil {
		return "", err
	}
	a, err := t.cancel(ctx, o.key())
	if err == nil && a.status != 200 {
		err = failed("POST /tasks/%d/cancel: %v", o.ID, a)
	}
	if err == nil {
		err = t.awaitFree(ctx, t.cfg.LongFor*2/3, func(free int) bool { return free == t.slots })
	}
	if err != nil {
		return "", err
	}
	took := time.Since(start)
	t.master.await(ctx, t.cfg.Quiet, func() bool { return len(t.master.told[o.key()]) > 0 })
	for _, r := range t.master.reports(o.key()) {
		if r.outcome() == "succeeded" {
			return "", failed("the cancelled attempt was reported as succeeded")
		}
	}
	// Cancelling again, or what was never there, is no error.
	for _, k := range []attemptKey{o.key(), t.order(t.cfg.Short).key()} {
		if a, err = t.cancel(ctx, k); err != nil || a.status != 200 {
			return "", orElse(err, failed("a cancel of what does not run: %v, want 200", a))
		}
	}
	return fmt.Sprintf("the slot was free after %s of %s", took.Round(time.Millisecond), t.cfg.LongFor), nil
}

// repeats: a result is reported until a master has acknowledged it.
func repeats(how mode) func(ctx context.Context, t *tester) (string, error) {
	return func(ctx context.Context, t *tester) (string, error) {
		t.master.answerWith(how)
		o, _, err := t.short(ctx)
		if err == nil {
			err = t.awaitReports(ctx, o.key(), 3)
		}
		if err == nil {
			err = t.holdsFinished(ctx, o.key())
		}
		if err != nil {
			return "", err
		}
		t.master.answerWith(accepting)
		times := len(t.master.reports(o.key()))
		if err := t.awaitReports(ctx, o.key(), times+1); err != nil {
			return "", err
		}
		if err := t.letGo(ctx, o.key()); err != nil {
			return "", err
		}
		times = len(t.master.reports(o.key()))
		return fmt.Sprintf("reported %d times, until it was acknowledged", times), t.noMore(ctx, o.key(), times)
	}
}

// letsGo: a result that the masters do not want is not repeated.
func letsGo(how mode) func(ctx context.Context, t *tester) (string, error) {
	return func(ctx context.Context, t *tester) (string, error) {
		t.master.answerWith(how)
		o, _, err := t.short(ctx)
		if err != nil {
			return "", err
		}
		if err := t.noMore(ctx, o.key(), 1); err != nil {
			return "", err
		}
		return fmt.Sprintf("the master %s; reported once", how), t.letGo(ctx, o.key())
	}
}
