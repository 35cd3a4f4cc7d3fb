package cluster

import (
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// refuseFrom breaks the connections from one master to others, and refuses new ones. Those
// to it stay.
func (c *cables) refuseFrom(m *master, others ...*master) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range others {
		cable := m.id + ">" + other.id
		c.refused[cable] = true
		for conn := range c.conns[cable] {
			_ = conn.Close()
		}
		delete(c.conns, cable)
	}
}

// stand has the master stand for election, and waits until it does.
func (m *master) stand() {
	m.w.t.Helper()
	if err := m.node.gate.standForElection(m.w.t.Context()); err != nil {
		m.w.t.Fatal(err)
	}
	m.w.eventually(m.id+" stands", func() bool { return m.node.raft.Load().State() == raft.Candidate })
}

// beaten has two masters stand at once. The one that lost follows the other, but stays a
// candidate for Raft until its time-out ends.
func (w *world) beaten() (beaten, winner, third *master) {
	t := w.t
	t.Helper()
	all := w.trio()
	net := lay(all...)
	for _, m := range all {
		// As in a cluster, silence is found where the first look at a port came to nothing.
		m.adjust = func(c *Config) { patient(c); c.Timings.Silence = 3 * time.Second }
		m.start(founders(all...))
	}
	beaten, winner, third = all[0], all[1], all[2]
	if leader := w.leader(all...); leader != third {
		w.ready(all...)
		if err := leader.node.TransferLeadership(t.Context(), third.id); err != nil {
			t.Fatal(err)
		}
		w.leader(third)
	}
	w.ready(all...)
	net.refuseFrom(beaten, winner, third) // so nobody votes for it
	beaten.stand()
	winner.stand()
	w.leader(winner)
	net.heal()
	w.level(all...)
	if state, following := beaten.node.raft.Load().State(), beaten.node.outlook().Leader; state != raft.Candidate || following != winner.id {
		t.Fatalf("%s is a %v and follows %q; the test is about a candidate that follows %s", beaten.id, state, following, winner.id)
	}
	return beaten, winner, third
}

// TestACandidateThatWasBeatenDoesNotHoldUpTheNextElection when the winner is lost
// meanwhile.
func TestACandidateThatWasBeatenDoesNotHoldUpTheNextElection(t *testing.T) {
	w := newWorld(t, true)
	beaten, winner, third := w.beaten()
	lost := time.Now()
	winner.kill()
	next := w.leader(beaten, third)
	if gap := time.Since(lost); gap > patience {
		t.Errorf("%s leads %v after the loss: it waited for Raft's time-outs", next.id, gap)
	}
	next.put("after")
}

// TestLeadershipIsHandedToACandidateThatWasBeaten as to any other follower.
func TestLeadershipIsHandedToACandidateThatWasBeaten(t *testing.T) {
	w := newWorld(t, true)
	beaten, winner, _ := w.beaten()
	if err := winner.node.TransferLeadership(t.Context(), beaten.id); err != nil {
		t.Fatal(err)
	}
	w.leader(beaten).put("after")
}

// TestACandidateThatDoesNotGetTheVotesStandsAgain, before Raft's time-out has it: the votes
// were split, or who could have voted for it did not hear it. Who has a worse claim waits
// for it.
func TestACandidateThatDoesNotGetTheVotesStandsAgain(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	net := lay(all...)
	for _, m := range all {
		// Longer than a request for a vote waits for a connection.
		m.adjust = func(c *Config) { patient(c); c.Timings.Silence = 3 * time.Second }
		m.start(founders(all...))
	}
	leader := w.leader(all...)
	w.ready(all...)
	w.level(all...)
	candidate, voter := others(all, leader)[0], others(all, leader)[1]
	net.refuseFrom(candidate, leader, voter)
	candidate.stand()
	leader.kill()
	w.eventually("the other has waited for it", func() bool { return counted(earlyTimeout, voter) > 0 })
	net.heal()
	began := time.Now()
	next := w.leader(candidate, voter)
	if gap := time.Since(began); gap > patience/2 {
		t.Errorf("%s leads after %v: it waited for Raft's time-outs", next.id, gap)
	}
	next.put("after")
}
