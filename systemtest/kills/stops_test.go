package kills_test

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"muster/api/client"
)

// longSeries is a series that somebody runs by hand, on a machine with the time for
// it.
const longSeries = 50

// TestStopsOfTheLeader ends the leader by SIGTERM again and again under load: it
// hands leadership over before it goes, so that clients hardly notice. To compare,
// it kills the leader a few times as well.
func TestStopsOfTheLeader(t *testing.T) {
	want := series(t)
	c := newSystem(t)
	l := startLoad(c)
	var stops, exits, kills distribution
	handed := 0
	// A handover that a busy machine does not get done in time ends in an election.
	for len(stops) < want || handed == 0 && len(stops) < 10*want {
		s := c.stopLeader(l)
		if s.handed {
			handed++
		}
		stops, exits = append(stops, s.gap), append(exits, s.exit)
		t.Logf("stop %d: %s; handed over first: %t; exit after %d ms; longest pause %d ms",
			len(stops), s.moment, s.handed, s.exit.Milliseconds(), s.gap.Milliseconds())
		if len(stops)%5 == 0 {
			_, gap := c.killLeader(l)
			kills = append(kills, gap)
		}
	}
	c.awaitReady()
	c.judge(l)
	t.Logf("SIGTERM of the leader, longest pause between two accepted writes: %v", stops)
	t.Logf("kill -9 of the leader in the same series, for comparison: %v", kills)
	t.Logf("from SIGTERM to the exit: %v; another master led already at %d of %d exits", exits, handed, len(stops))
	if handed == 0 {
		t.Error("leadership was never handed over")
	}
	// A few stops prove nothing about the others.
	if want < longSeries {
		return
	}
	if 2*handed < want {
		t.Errorf("leadership was handed over before the exit in %d of %d stops", handed, want)
	}
	if stop, kill := stops.quantile(0.5), kills.quantile(0.5); stop >= kill {
		t.Errorf("half of the stops cost %v and more, half of the kills %v and less: handing over gains nothing", stop, kill)
	}
}

// stop is what one SIGTERM of the leader cost.
type stop struct {
	moment

	handed bool          // another master led when the process had ended
	exit   time.Duration // from the signal to the end of the process
	gap    time.Duration // the longest pause between two accepted writes, until one that was submitted after the exit
}

// stopLeader ends the leader gracefully while it works, and starts it again.
func (c *cluster) stopLeader(l *load) stop {
	c.t.Helper()
	leader, term, m := c.awaitWork(l)
	s := stop{moment: m}
	mark := l.acks.count()
	_, before, _ := l.wire.look(leader.host())

	stopped := time.Now()
	leader.signal(syscall.SIGTERM)
	s.running = c.running()
	code := leader.awaitEnd()
	exited := time.Now()
	s.handed, s.exit = c.leads(leader, term), exited.Sub(stopped)
	if code != 0 {
		c.t.Errorf("%s ended with exit code %d", leader.id, code)
	}

	first := l.awaitAck(mark, exited)
	_, after, _ := l.wire.look(leader.host())
	s.broken = after - before
	all, _ := l.acks.since(mark - 1)
	s.gap = longestPause(all, stopped, first.at)
	leader.start()
	c.awaitReady()
	return s
}

// leads reports whether a master other than the given one leads now, in a later
// term.
func (c *cluster) leads(old *master, term uint64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit(c.t))
	defer cancel()
	var found atomic.Bool
	var all sync.WaitGroup
	for _, m := range c.masters {
		if m == old {
			continue
		}
		all.Go(func() {
			s, err := c.api.Status(ctx, m.url, false)
			if err == nil && s.Role == client.RoleLeader && s.Term > term {
				found.Store(true)
			}
		})
	}
	all.Wait()
	return found.Load()
}
