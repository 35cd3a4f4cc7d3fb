package kills_test

import (
	"os"
	"testing"
	"time"
)

// TestKillsOfTheLeader kills the leader again and again under load. Whatever was
// acknowledged ends once, with the right result, on all masters.
func TestKillsOfTheLeader(t *testing.T) {
	want := series(t)
	c := newSystem(t)
	l := startLoad(c)
	var gaps distribution
	for tries := 1; len(gaps) < want; tries++ {
		if tries > 2*want+10 {
			t.Fatalf("of %d kills only %d found the leader at work", tries-1, len(gaps))
		}
		m, gap := c.killLeader(l)
		if !m.hurt() {
			t.Logf("a kill that does not count: %s; gap %d ms", m, gap.Milliseconds())
			continue
		}
		gaps = append(gaps, gap)
		t.Logf("kill %d: %s; gap %d ms", len(gaps), m, gap.Milliseconds())
	}
	c.awaitReady()
	c.judge(l)
	t.Logf("kill -9 of the leader, until a write that was submitted after it is accepted: %v", gaps)
}

// killLeader kills the leader while it works, measures the gap until another
// master accepts a write that was submitted after the death, and starts the dead
// one again.
func (c *cluster) killLeader(l *load) (moment, time.Duration) {
	c.t.Helper()
	leader, term, m := c.awaitWork(l)
	mark := l.acks.count()
	_, before, _ := l.wire.look(leader.host())

	killed := time.Now()
	leader.signal(os.Kill)
	leader.awaitEnd()
	dead := time.Now()
	m.running = c.running()

	first := l.awaitAck(mark, dead)
	_, after, _ := l.wire.look(leader.host())
	m.broken = after - before
	leader.start()
	if next, later := c.awaitReady(); later <= term {
		c.t.Errorf("%s leads in term %d, %s led in term %d", next.id, later, leader.id, term)
	}
	return m, first.at.Sub(killed)
}
