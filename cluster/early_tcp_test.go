package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// cables are the connections between masters, of which some can be broken while the
// masters live.
type cables struct {
	mu      sync.Mutex
	conns   map[string]map[net.Conn]struct{} // by "from>to"; under mu
	refused map[string]bool                  // the same; under mu
}

// lay has the masters dial each other by cables.
func lay(masters ...*master) *cables {
	c := &cables{conns: map[string]map[net.Conn]struct{}{}, refused: map[string]bool{}}
	names := map[string]string{}
	for _, m := range masters {
		names[m.raftAddr] = m.id
	}
	for _, m := range masters {
		m.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.dial(ctx, m.id+">"+names[address], network, address)
		}
	}
	return c
}

func (c *cables) dial(ctx context.Context, cable, network, address string) (net.Conn, error) {
	c.mu.Lock()
	refused := c.refused[cable]
	c.mu.Unlock()
	if refused {
		return nil, fmt.Errorf("dial %s: %w", address, syscall.ECONNREFUSED)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns[cable] == nil {
		c.conns[cable] = map[net.Conn]struct{}{}
	}
	c.conns[cable][conn] = struct{}{}
	return conn, nil
}

// refuse breaks the connections from one master to others, and back, and refuses new ones.
func (c *cables) refuse(m *master, others ...*master) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range others {
		for _, cable := range []string{m.id + ">" + other.id, other.id + ">" + m.id} {
			c.refused[cable] = true
			for conn := range c.conns[cable] {
				_ = conn.Close()
			}
			delete(c.conns, cable)
		}
	}
}

func (c *cables) heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.refused)
}

// counted returns how often something came of a suspicion, at all these masters.
func counted(result string, masters ...*master) int {
	n := 0
	for _, m := range masters {
		all := prometheus.NewRegistry()
		all.MustRegister(m.node.metrics.earlyElections)
		families, err := all.Gather()
		if err != nil {
			m.w.t.Fatal(err)
		}
		for _, f := range families {
			for _, v := range f.GetMetric() {
				if v.GetLabel()[1].GetValue() == result && v.GetLabel()[0].GetValue() != string(startsAlone) {
					n += int(v.GetCounter().GetValue())
				}
			}
		}
	}
	return n
}

// patience is so long that whoever is elected within it did not wait for Raft's time-outs.
const patience = 45 * time.Second

// patient are such time-outs.
func patient(c *Config) {
	c.Timings = Timings{Heartbeat: patience, Election: patience, Lease: patience, Commit: 25 * time.Millisecond}
}

// fewElections checks what a loss cost: one election, or two if both followers stood at
// once because one of them got no processor for a turn.
func fewElections(t *testing.T, before uint64, leader *master) {
	t.Helper()
	if got := leader.node.Term(); got <= before || got > before+2 {
		t.Errorf("%s leads in term %d, and the term was %d: want one election", leader.id, got, before)
	}
}

// TestALeaderWhoseProcessEndsIsReplacedAtOnce, whatever the time-outs are; so do masters
// that start elect one.
func TestALeaderWhoseProcessEndsIsReplacedAtOnce(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	for _, m := range all {
		m.adjust = patient
		m.start(founders(all...))
	}
	leader := w.leader(all...)
	w.ready(all...)
	id, term := leader.put("before"), leader.node.Term()
	leader.kill()
	rest := others(all, leader)
	next := w.leader(rest...)
	if n := counted(earlyStood, rest...); n == 0 {
		t.Errorf("nobody stood for election at once, and %s leads", next.id)
	}
	fewElections(t, term, next)
	next.put("after")
	if _, ok := next.node.View().Task(id); !ok {
		t.Error("the task is lost")
	}
}

// TestAFollowerWhoseOwnNetworkIsAtFaultDoesNotStand: its connections from the leader are
// broken, and it is refused there, but the other follower hears the leader.
func TestAFollowerWhoseOwnNetworkIsAtFaultDoesNotStand(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	net := lay(all...)
	for _, m := range all {
		m.start(founders(all...))
	}
	leader := w.leader(all...)
	w.ready(all...)
	term, follower := leader.node.Term(), others(all, leader)[0]
	net.refuse(follower, leader)
	w.eventually("the follower gives up", func() bool { return counted(earlyTimeout, follower) >= 1 })
	leader.put("meanwhile")
	net.heal()
	w.ready(all...)
	w.level(all...)
	if !leader.node.IsLeader() || leader.node.Term() != term {
		t.Errorf("the leader of term %d leads: %v, in term %d", term, leader.node.IsLeader(), leader.node.Term())
	}
	if n := counted(earlyStood, all...); n != 0 {
		t.Errorf("%d stood for election", n)
	}
}

// TestALeaderThatAllAreRefusedByCostsOneElection: a proxy before it, say, has ended, and
// nobody can tell it from the leader.
func TestALeaderThatAllAreRefusedByCostsOneElection(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	net := lay(all...)
	for _, m := range all {
		m.start(founders(all...))
	}
	leader := w.leader(all...)
	w.ready(all...)
	rest := others(all, leader)
	id, term := leader.put("before"), leader.node.Term()
	net.refuse(leader, rest...)
	next := w.leader(rest...)
	next.put("meanwhile")
	net.heal()
	w.eventually("the old leader follows", func() bool { at, _ := leader.node.Leader(); return at == next.id })
	w.ready(all...)
	w.level(all...)
	fewElections(t, term, next)
	if _, ok := leader.node.View().Task(id); !ok {
		t.Error("the task is lost")
	}
}

// TestALeaderThatStartsAgainAtOnceCostsOneElection: its port refuses for a moment, or not
// at all, and then a process answers that leads nobody.
func TestALeaderThatStartsAgainAtOnceCostsOneElection(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	for _, m := range all {
		m.adjust = patient
		m.start(founders(all...))
	}
	leader := w.leader(all...)
	w.ready(all...)
	id, term := leader.put("before"), leader.node.Term()
	leader.kill()
	leader.start(founders(all...))
	next := w.leader(all...)
	w.ready(all...)
	next.put("after")
	w.level(all...)
	fewElections(t, term, next)
	if _, ok := leader.node.View().Task(id); !ok {
		t.Error("the task is lost")
	}
}

// TestAFullBacklogDoesNotRefuse, and a port behind which nobody accepts anything does not
// either: the process may be busy, and is there.
func TestAFullBacklogDoesNotRefuse(t *testing.T) {
	mute := listen(t)
	defer func() { _ = mute.Close() }()
	at := map[string]string{"nobody accepts": mute.Addr().String()}
	if full, ok := fullBacklog(t); ok {
		at["the backlog is full"] = full
	}
	from := calling(t, nil)
	for name, address := range at {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), hailTimeout)
			defer cancel()
			_, err := from.hail(ctx, "m2", address)
			timeout, ok := errors.AsType[net.Error](err)
			if !ok || !timeout.Timeout() || connectionRefused(err) || connectionCut(err) {
				t.Errorf("got %v; want a time-out", err)
			}
		})
	}
}
