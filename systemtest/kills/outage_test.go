package kills_test

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"muster/api/client"
)

// TestAllMastersKilledAtOnce kills one, two and all masters at once under load,
// and starts them again. Everything acknowledged is there.
func TestAllMastersKilledAtOnce(t *testing.T) { outages(t, os.Kill) }

// TestAllMastersStoppedAtOnce does the same by SIGTERM: each ends with exit code 0,
// also those that have nobody to hand leadership to.
func TestAllMastersStoppedAtOnce(t *testing.T) { outages(t, syscall.SIGTERM) }

func outages(t *testing.T, signal os.Signal) {
	t.Helper()
	c := newSystem(t)
	l := startLoad(c)
	rounds := (series(t) + 9) / 10
	for round := range rounds {
		for n := 1; n <= len(c.masters); n++ {
			for tries := 1; ; tries++ {
				m := c.outage(l, signal, n)
				t.Logf("round %d: %v of %d masters at once: %s", round+1, signal, n, m)
				if n == 1 || signal != os.Kill || m.hurt() {
					break
				}
				if tries == 10 {
					t.Fatal("no kill found the leader at work")
				}
			}
		}
	}
	c.judge(l)
}

// outage ends n masters at once, of two or three the leader among them, and
// starts them again.
func (c *cluster) outage(l *load, signal os.Signal, n int) moment {
	c.t.Helper()
	leader, _, m := c.awaitWork(l)
	victims, rest := c.victims(leader, n)
	mark := l.acks.count()
	_, before, _ := l.wire.look(leader.host())

	for _, v := range victims {
		v.signal(signal)
	}
	for _, v := range victims {
		if code := v.awaitEnd(); code != 0 && signal != os.Kill {
			c.t.Errorf("%s ended with exit code %d", v.id, code)
		}
	}
	down := time.Now()
	m.running = c.running()
	if n == 1 {
		l.awaitAck(mark, down) // two of three go on
	} else {
		c.awaitHelpless(rest)
		all, _ := l.acks.since(mark)
		if _, accepted := firstSubmittedAfter(all, down); accepted {
			c.t.Errorf("a write was accepted while %d of 3 masters were down", n)
		}
	}

	up := time.Now()
	for _, v := range victims {
		v.start()
	}
	c.awaitReady()
	l.awaitAck(mark, up)
	_, after, _ := l.wire.look(leader.host())
	m.broken = after - before
	return m
}

// victims chooses a follower, all but a follower, or all.
func (c *cluster) victims(leader *master, n int) (victims, rest []*master) {
	for _, m := range c.masters {
		if m != leader {
			victims = append(victims, m)
		}
	}
	if n == 1 {
		return victims[:1], append(victims[1:], leader)
	}
	return append(victims[:n-1:n-1], leader), victims[n-1:]
}

// awaitHelpless waits until masters without a majority say so.
func (c *cluster) awaitHelpless(rest []*master) {
	c.t.Helper()
	for _, m := range rest {
		c.await(m.id+" to see that it is alone", func(ctx context.Context) error {
			s, err := c.api.Status(ctx, m.url, false)
			if err == nil && (s.Ready || s.Role == client.RoleLeader) {
				err = errors.New("it is the " + string(s.Role) + ", and ready")
			}
			return err
		})
	}
}
