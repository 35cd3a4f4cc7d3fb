package demo

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// everyTask is the fourth act: each acknowledged task, on each surviving master.
func (s *story) everyTask(ctx context.Context) error {
	s.act(4, "Every acknowledged task, on each surviving master")
	err := until(ctx, waitLimit, "finish all tasks", func(ctx context.Context) error {
		status, err := s.leaderStatus(ctx)
		if err == nil && status.Counts.Pending+status.Counts.InProgress > 0 {
			err = fmt.Errorf("%d are pending, %d in progress", status.Counts.Pending, status.Counts.InProgress)
		}
		return err
	})
	if err != nil {
		return err
	}
	status, err := s.leaderStatus(ctx)
	if err != nil {
		return err
	}
	entries := s.ledger.all()
	s.sayf("%d were acknowledged. Each survivor is asked for its whole list.", len(entries))
	again := 0
	for _, m := range s.cluster.masters {
		if m == s.killed {
			continue
		}
		f, err := audit(ctx, m, entries, status.AppliedIndex)
		if err != nil {
			return err
		}
		s.check(len(f.wrong) == 0 && f.right == len(entries),
			fmt.Sprintf("%s has all %d: done, once, with the result computed here, too", f.master, f.right),
			"%s", firstOf(f.wrong, 5))
		again = max(again, f.again)
	}
	if again > 0 {
		s.sayf("(%s more than one attempt)", needed(again))
	}
	return nil
}

func needed(n int) string {
	if n == 1 {
		return "1 task needed"
	}
	return fmt.Sprintf("%d tasks needed", n)
}

// firstOf joins the first few lines, and says how many there are.
func firstOf(lines []string, n int) string {
	if len(lines) <= n {
		return strings.Join(lines, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(lines[:n], "; "), len(lines)-n)
}

// deadReturns is the last act: the dead master is started again.
func (s *story) deadReturns(ctx context.Context) error {
	s.act(5, "The dead master returns")
	status, err := s.leaderStatus(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.killed.start(); err != nil {
		return err
	}
	s.sayf("%s starts again, with what is on its disk", s.killed.name)
	var prints []string
	err = until(ctx, waitLimit, "catch up", func(ctx context.Context) (missing error) {
		if missing = died([]*node{s.killed}); missing == nil {
			prints, missing = s.fingerprints(ctx, status.AppliedIndex)
		}
		return missing
	})
	if err != nil {
		return err
	}
	equal := true
	for _, p := range prints {
		equal = equal && p == prints[0]
	}
	s.check(equal, fmt.Sprintf("%s caught up in %s; all %d masters have fingerprint %.12s",
		s.killed.name, seconds(time.Since(began)), len(prints), prints[0]),
		"the fingerprints differ at the same index: %s", strings.Join(prints, ", "))
	return nil
}

// fingerprints returns those of all masters, once all are at the same index, and
// that is index or later.
func (s *story) fingerprints(ctx context.Context, index uint64) ([]string, error) {
	var prints []string
	var at uint64
	for _, m := range s.cluster.masters {
		p := s.cluster.look(ctx, m, true)
		switch {
		case p.status == nil:
			return nil, fmt.Errorf("%s does not answer", m.name)
		case p.status.AppliedIndex < index:
			return nil, fmt.Errorf("%s has seen index %d, not yet %d", m.name, p.status.AppliedIndex, index)
		case at != 0 && p.status.AppliedIndex != at:
			return nil, fmt.Errorf("the masters are at different indexes, %d and %d", at, p.status.AppliedIndex)
		case p.status.Fingerprint == "":
			return nil, fmt.Errorf("%s tells no fingerprint", m.name)
		}
		at = p.status.AppliedIndex
		prints = append(prints, p.status.Fingerprint)
	}
	return prints, nil
}
