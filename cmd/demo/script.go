package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// story is the fixed story under way.
type story struct {
	*voice
	cfg     Config
	program string
	dir     string

	cluster *cluster
	ledger  ledger
	began   time.Time
	passed  int
	failed  []string // the checks that did not hold

	killed *node // the leader that was killed
}

// errStory is a story that went wrong.
var errStory = errors.New("the story went wrong")

// tellStory tells all of it, or up to what makes the rest senseless.
func tellStory(ctx context.Context, cfg Config, program, dir string) error {
	s := &story{cfg: cfg, program: program, dir: dir, began: time.Now()}
	s.voice = &voice{paint: cfg.paint(), width: cfg.width, line: func(l string) { fmt.Fprintln(cfg.Stdout, l) }}
	defer func() {
		if s.cluster != nil {
			s.cluster.close()
		}
	}()
	s.print(s.bold(fmt.Sprintf("muster: %d masters, %d slaves, and the loss of a leader", cfg.Masters, cfg.Slaves)), 0)
	for _, act := range []func(context.Context) error{
		s.clusterComesUp, s.timeLine, s.leaderDies, s.everyTask, s.deadReturns,
	} {
		err := act(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", context.Cause(ctx))
		}
		if err != nil {
			s.fail("the story can't go on", err.Error())
			s.failed = append(s.failed, err.Error())
			break
		}
	}
	s.print("", 0)
	took := time.Since(s.began).Round(time.Second)
	if len(s.failed) > 0 {
		s.print(s.red(fmt.Sprintf("%d of %d checks failed, after %s.", len(s.failed), s.passed+len(s.failed), took)), 0)
		return fmt.Errorf("%w: %s", errStory, strings.Join(s.failed, "; "))
	}
	s.print(s.green(fmt.Sprintf("All %d checks passed, in %s.", s.passed, took)), 0)
	return nil
}

// check is one thing that must hold; why says what was found instead.
func (s *story) check(holds bool, what, why string, args ...any) {
	if holds {
		s.passed++
		s.pass(what)
		return
	}
	why = fmt.Sprintf(why, args...)
	s.failed = append(s.failed, what+": "+why)
	s.fail(what, why)
}

// clusterComesUp is the first act.
func (s *story) clusterComesUp(ctx context.Context) error {
	s.act(1, "A cluster comes up")
	s.sayf("Each is a process of its own, in %s.", s.dir)
	var err error
	if s.cluster, err = form(ctx, s.program, s.dir, s.cfg.Masters); err != nil {
		return err
	}
	leader, err := s.cluster.awaitLeader(ctx)
	if err != nil {
		return err
	}
	for _, m := range s.cluster.masters {
		role := "follows"
		if m.name == leader.name {
			role = s.bold(s.cyan("leads"))
		}
		s.sayf("%s  %s  %s", m.name, m.url, role)
	}
	for i := range s.cfg.Slaves {
		name := fmt.Sprintf("slave-%d", i+1)
		if err := s.cluster.addSlave(ctx, name, 1); err != nil {
			return err
		}
		s.sayf("%s registers by itself: 1 slot", name)
	}
	s.check(true, fmt.Sprintf("%d masters follow %s in term %d, %d slaves are registered, after %s",
		len(s.cluster.masters), leader.name, leader.status.Term, s.cfg.Slaves, seconds(time.Since(s.began))), "")
	return nil
}

// seconds shows a duration in seconds with one digit.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
