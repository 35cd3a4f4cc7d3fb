package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"muster/api/client"
	"muster/systemtest/masters"
)

// figures are what was measured with one number of slaves. A time of zero was not
// reached.
type figures struct {
	slaves       int
	register     time.Duration
	registerTerm uint64 // elections while the slaves registered
	idleLeader   float64
	idleOthers   float64 // each of the other masters
	memory       int64   // bytes, resident, of the leader
	failover     time.Duration
	terms        uint64
	heard        time.Duration
}

const header = "slaves   register  elections   idle: leader  others  memory     failover   terms  heard"

func (f figures) String() string {
	return fmt.Sprintf("%6d   %7s  %9d   %12.3f  %6.3f  %3d MiB   %9s  %5d  %6s",
		f.slaves, seconds(f.register), f.registerTerm, f.idleLeader, f.idleOthers, f.memory>>20, seconds(f.failover), f.terms, seconds(f.heard))
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// calm is how long after the last slave was heard of elections are still counted.
const calm = 5 * time.Second

// askSlowly is the pause between two readings of the whole registry.
const askSlowly = 250 * time.Millisecond

// measure goes through one cluster's life. The figures are valid as far as it came.
func measure(ctx context.Context, s settings, dir string, n int) (f figures, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.slaves = n
	if err := os.Mkdir(dir, 0o700); err != nil {
		return f, err
	}
	if err := masters.RaiseFileLimit(); err != nil {
		return f, err
	}
	c, err := startCluster(ctx, s, dir)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	fleet, err := newFleet(n, s.atOnce, c.URLs)
	if err != nil {
		return f, err
	}
	defer fleet.close()

	if err := f.registration(ctx, c, fleet, s.limit); err != nil {
		return f, err
	}
	if err := c.hold(ctx, min(s.held, n/2), s.limit); err != nil {
		return f, err
	}
	if err := f.idleness(ctx, c, s.idle); err != nil {
		return f, err
	}
	return f, f.leaderLoss(ctx, c, s.limit)
}

// registration starts all slaves and waits until they are registered.
func (f *figures) registration(ctx context.Context, c cluster, slaves *fleet, limit time.Duration) error {
	before, err := c.Status(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	slaves.start()
	var last client.Status
	err = masters.Until(ctx, limit, "all slaves to register", func() error {
		if last, err = c.Status(ctx); err != nil {
			return err
		}
		if last.Capacity.Slaves < f.slaves {
			return fmt.Errorf("%d of %d are registered", last.Capacity.Slaves, f.slaves)
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.register, f.registerTerm = time.Since(began), last.Term-before.Term
	return nil
}

// idleness watches the processor time of the masters.
func (f *figures) idleness(ctx context.Context, c cluster, d time.Duration) error {
	if err := masters.Pause(ctx, calm); err != nil { // what registering left behind
		return err
	}
	leader, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	before, began := c.processorTimes(), time.Now()
	if err := masters.Pause(ctx, d); err != nil {
		return err
	}
	took := time.Since(began)
	for i, t := range c.processorTimes() {
		used := (t - before[i]).Seconds() / took.Seconds()
		if i == leader {
			f.idleLeader = used
		} else {
			f.idleOthers += used / float64(len(before)-1)
		}
	}
	f.memory, err = masters.ResidentMemory(c.Pids()[leader])
	return err
}

// leaderLoss kills the leader.
func (f *figures) leaderLoss(ctx context.Context, c cluster, limit time.Duration) error {
	before, err := c.Status(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := c.KillLeader(ctx); err != nil {
		return err
	}
	defer func() {
		if s, err := c.Status(ctx); err == nil {
			f.terms = s.Term - before.Term
		}
	}()
	err = masters.Until(ctx, limit, "a task to be accepted", func() error { return c.submit(ctx, instant) })
	if err != nil {
		return err
	}
	f.failover = time.Since(began)
	err = masters.UntilSlowly(ctx, limit, askSlowly, "all slaves to be heard of", func() error {
		if time.Since(began) < 2*time.Second {
			return errors.New("too early to ask") // the question costs
		}
		return c.heardSince(ctx, began)
	})
	if err != nil {
		return err
	}
	f.heard = time.Since(began)
	return masters.Pause(ctx, calm)
}
