package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/api/client"
)

// What the third act must reach, and how it is arranged.
const (
	wantTasks = 100 // acknowledged before the kill, and again after it

	largeSlaves     = 2 // the load's slaves, beside those with one slot
	largeSlots      = 16
	loadSubmitters  = 16
	loadPause       = 50 * time.Millisecond
	loadBusy        = 100 * time.Millisecond
	loadBeforeKill  = 3 * time.Second
	loadAfterLeader = 3 * time.Second
)

// leaderDies is the third act: the leader is killed under load.
func (s *story) leaderDies(ctx context.Context) error {
	s.act(3, "The leader is killed under load")
	for i := range largeSlaves {
		name := fmt.Sprintf("slave-%d", s.cfg.Slaves+i+1)
		if err := s.cluster.addSlave(ctx, name, largeSlots); err != nil {
			return err
		}
		s.sayf("%s registers: %d slots", name, largeSlots)
	}
	l := &load{
		name: "load", submitters: loadSubmitters, pause: loadPause, busy: loadBusy,
		client: s.cluster.client, ledger: &s.ledger,
	}
	s.sayf("%d clients submit tasks, each with an Idempotency-Key of its own ...", l.submitters)
	before := s.ledger.count()
	began := time.Now()
	stop, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- l.run(ctx, stop) }()

	killErr := s.killUnderLoad(ctx, before)
	close(stop)
	loadErr := <-ended
	over := time.Now()
	if err := errors.Join(killErr, loadErr); err != nil {
		return err
	}
	acknowledged := s.ledger.count() - before
	perSecond := rate(s.ledger.all(), began, over)
	s.check(acknowledged >= 2*wantTasks,
		fmt.Sprintf("%.0f tasks per second were acknowledged: %d in %s, outage included", perSecond, acknowledged, seconds(over.Sub(began))),
		"that are fewer than %d", 2*wantTasks)
	return nil
}

// killUnderLoad kills the leader while tasks run and submits are on their way,
// and waits until another one has taken over.
func (s *story) killUnderLoad(ctx context.Context, before int) error {
	if err := s.loadFor(ctx, loadBeforeKill); err != nil {
		return err
	}
	leader, err := s.catchAtWork(ctx)
	if err != nil {
		return err
	}
	s.killed = s.cluster.master(leader.name)
	broken, killed := s.cluster.wire.broken.Load(), time.Now()
	if err := s.killed.kill(); err != nil {
		return err
	}
	s.sayf("%d are acknowledged", s.ledger.count()-before)
	s.sayf("%s", s.red(fmt.Sprintf("kill -9 %d: %s, the leader of term %d, is dead", s.killed.pid(), leader.name, leader.status.Term)))

	next, err := s.cluster.successor(ctx, leader.status.Term)
	if err != nil {
		return err
	}
	s.sayf("%s leads in term %d", s.green(next.name), next.status.Term)
	if err := s.loadFor(ctx, loadAfterLeader); err != nil {
		return err
	}
	broken = s.cluster.wire.broken.Load() - broken
	running := int(leader.status.Counts.InProgress)
	s.check(running > 0 && broken > 0,
		fmt.Sprintf("%s died with %s running and %s unanswered", leader.name, plural(running, "task"), plural(int(broken), "submit")),
		"%d tasks ran, and %d submits lost their answer", running, broken)
	outage, ended := gap(s.ledger.all(), killed)
	s.check(ended, fmt.Sprintf("for %d ms no write was accepted, then %s took over", outage.Milliseconds(), next.name),
		"no write was accepted after the kill")
	return nil
}

// loadFor lets the load go on for a while; on a slow machine until enough of it is
// acknowledged.
func (s *story) loadFor(ctx context.Context, d time.Duration) error {
	before := s.ledger.count()
	if err := pause(ctx, d); err != nil {
		return err
	}
	return until(ctx, waitLimit, "acknowledge tasks", func(context.Context) error {
		if n := s.ledger.count() - before; n < wantTasks {
			return fmt.Errorf("%d of %d are acknowledged", n, wantTasks)
		}
		return nil
	})
}

// atOnce is how many submits must be on their way when the leader is killed, so
// that some of them die with it: one of them is answered in milliseconds.
const atOnce = 4

// catchAtWork returns the leader at a moment when tasks run and submits are on
// their way to it.
func (s *story) catchAtWork(ctx context.Context) (masterPicture, error) {
	var leader masterPicture
	err := until(ctx, waitLimit, "catch the leader at work", func(ctx context.Context) error {
		l := s.cluster.observe(ctx).leader()
		switch {
		case l == nil:
			return errors.New("no master leads")
		case l.status.Counts.InProgress == 0:
			return errors.New("no task runs")
		}
		leader = *l
		for range 20 {
			if s.cluster.wire.inFlight.Load() >= atOnce {
				return nil
			}
			if err := pause(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		return fmt.Errorf("fewer than %d submits are on their way", atOnce)
	})
	return leader, err
}

// successor waits for a leader of a later term.
func (c *cluster) successor(ctx context.Context, term uint64) (masterPicture, error) {
	var next masterPicture
	err := until(ctx, waitLimit, "elect a new leader", func(ctx context.Context) error {
		l := c.observe(ctx).leader()
		if l == nil || l.status.Term <= term || l.status.Role != client.RoleLeader {
			return fmt.Errorf("no master leads in a term after %d", term)
		}
		next = *l
		return nil
	})
	return next, err
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
