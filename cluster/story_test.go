package cluster

import (
	"context"
	"testing"

	"muster/systemtest/timelimit"
)

// TestThreeMastersOverTCP is the main story, on sockets and files: three masters
// form a cluster, commands are committed while the leader dies twice, and no
// acknowledged one is lost; who died comes back.
func TestThreeMastersOverTCP(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	for _, m := range all {
		m.adjust = func(c *Config) {
			c.SnapshotThreshold, c.TrailingLogs = 40, 5
		}
		m.start(founders(all...))
	}
	leader := w.leader(all...)
	w.ready(all...)
	w.eventually("three masters in the registry", func() bool { return len(leader.node.View().Masters()) == 3 })

	load := newLoad(w, all...)
	defer load.stop()
	for range 2 {
		load.more(100)
		leader.kill()
		next := w.leader(others(all, leader)...)
		load.more(100)
		leader.start(founders(all...))
		w.ready(leader)
		leader = next
	}
	load.stop()
	w.level(all...)
	load.check(all...)
	index := all[0].node.AppliedIndex()
	for _, m := range all {
		if err := m.halt(); err != nil {
			t.Errorf("%s: %v", m.id, err)
		}
	}

	for _, m := range all { // everything comes from the disks
		m.start(nil)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timelimit.Usual(t))
	defer cancel()
	for _, m := range all {
		if err := m.node.WaitIndex(ctx, index); err != nil {
			t.Fatalf("%s applied %d of %d: %v", m.id, m.node.AppliedIndex(), index, err)
		}
	}
	load.check(all...)
}
