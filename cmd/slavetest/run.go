package slavetest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// The outcomes of a rule.
const (
	Passed  = "passed"
	Failed  = "failed"
	Skipped = "skipped"
)

// Line is what came of one rule.
type Line struct {
	Rule    string `json:"rule"`
	Outcome string `json:"outcome"`
	Seen    string `json:"seen"`
}

// broken is a rule that did not hold; skip is one that could not be tried.
type (
	broken string
	skip   string
)

// Error says what was seen.
func (b broken) Error() string { return string(b) }

// Error says why.
func (s skip) Error() string { return string(s) }

func failed(format string, args ...any) error { return broken(fmt.Sprintf(format, args...)) }

// rule is one sentence of the protocol, and how it is tried. It returns what was
// seen.
type rule struct {
	name string
	try  func(ctx context.Context, t *tester) (string, error)
}

// tester is one run over all rules, in one goroutine.
type tester struct {
	cfg    Config
	leader *leader
	master *master
	words  *words
	life   Life
	termed bool // the life was asked to drain
	// clusters: the slave tells leaders of two clusters apart.
	clusters bool

	self  registration // as it registered last
	slots int
	id    uint64 // of the last task
	begun []attemptKey
}

// Run tries all rules. The error says why they could not be tried.
func Run(ctx context.Context, cfg Config) (lines []Line, err error) {
	if cfg, err = cfg.checked(); err != nil {
		return nil, err
	}
	w := &words{}
	l := newLeader(cfg, w)
	defer l.client.CloseIdleConnections()
	m, err := newMaster(ctx, cfg, l, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	// Task ids that no earlier run of this test has used, and that fit into a
	// float64.
	t := &tester{cfg: cfg, leader: l, master: m, words: w, id: uint64(time.Now().UnixMilli()) * 1000}
	if cfg.Start != nil {
		if t.life, err = cfg.Start(ctx); err != nil {
			return nil, fmt.Errorf("start the slave: %w", err)
		}
		defer func() { err = errors.Join(err, t.life.Kill()) }()
	}
	for _, r := range rules() {
		if err := ctx.Err(); err != nil {
			return lines, err
		}
		if r.name != ruleRegisters && t.self.Name == "" {
			lines = append(lines, Line{r.name, Skipped, "the slave never registered"})
			continue
		}
		lines = append(lines, t.try(ctx, r))
	}
	return lines, nil
}

// try tries one rule and leaves the slave idle.
func (t *tester) try(ctx context.Context, r rule) Line {
	seen, err := r.try(ctx, t)
	t.master.answerWith(accepting)
	t.clear(ctx)
	if skipped, ok := errors.AsType[skip](err); ok {
		return Line{r.name, Skipped, string(skipped)}
	}
	if err != nil {
		return Line{r.name, Failed, err.Error()}
	}
	return Line{r.name, Passed, seen}
}

// clear cancels what runs and waits until all slots are free. What goes wrong
// here is another rule's to tell.
func (t *tester) clear(ctx context.Context) {
	if t.self.Name == "" {
		return
	}
	for _, k := range t.begun {
		if _, err := t.cancel(ctx, k); err != nil {
			return // it is gone
		}
	}
	t.begun = nil
	_ = t.awaitFree(ctx, t.cfg.LongFor+t.cfg.Patience, func(free int) bool { return free == t.slots })
}

// awaitFree asks until the number of free slots is as wanted.
func (t *tester) awaitFree(ctx context.Context, atMost time.Duration, wanted func(free int) bool) error {
	return t.poll(ctx, atMost, func() (bool, string, error) {
		a, err := t.leader.ask(ctx, "GET", "/available", nil)
		if err == nil && a.status != 200 {
			err = failed("GET /available: %v", a)
		}
		if err != nil {
			return false, "", err
		}
		return wanted(*a.Free), fmt.Sprintf("%d of %d slots are free", *a.Free, *a.Slots), nil
	})
}

// poll asks until the answer is yes, at most so long. A slave has no way to tell
// a tester by itself.
func (*tester) poll(ctx context.Context, atMost time.Duration, ask func() (yes bool, seen string, err error)) error {
	end := time.NewTimer(atMost)
	defer end.Stop()
	tick := time.NewTicker(max(time.Millisecond, min(20*time.Millisecond, atMost/20)))
	defer tick.Stop()
	for {
		yes, seen, err := ask()
		if yes || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-end.C:
			return failed("after %s still: %s", atMost, seen)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
