package slavetest

import (
	"context"
	"fmt"
)

// The clusters that the test plays: the slave's masters are the first, and later turn
// out to be the third, built anew at the same addresses. The second only asks.
const (
	firstCluster    = "slave-test-first"
	strangerCluster = "slave-test-stranger"
	rebuiltCluster  = "slave-test-rebuilt"
)

// withoutClusters is why the rules of clusters are not tried: a slave may leave them
// out.
const withoutClusters = "it does not look at Muster-Cluster, which a slave may leave out: start it anew when its masters were built anew"

// A leader of another cluster must start nothing, and must not keep the slave's own from
// being heard, however high its term is.
func otherCluster(ctx context.Context, t *tester) (string, error) {
	high := stamp{t.leader.last().term + 1, 1}
	a, err := t.leader.askAs(ctx, strangerCluster, &high, "GET", "/available", nil)
	if err != nil {
		return "", err
	}
	if a.status == 200 {
		t.leader.newTerm()
		t.leader.newTerm() // above the stranger's
		return "", skip(withoutClusters)
	}
	t.clusters = true
	o := t.order(t.cfg.Short)
	t.begun = append(t.begun, o.key())
	for _, c := range []struct {
		method, path string
		body         any
	}{
		{"GET", "/available", nil},
		{"POST", "/tasks", t.body(o)},
		{"GET", "/tasks", nil},
		{"POST", fmt.Sprintf("/tasks/%d/cancel", o.ID), map[string]any{"incarnation": t.self.Incarnation, "attempt": 1}},
	} {
		high.sequence++
		a, err := t.leader.askAs(ctx, strangerCluster, &high, c.method, c.path, c.body)
		if err != nil {
			return "", err
		}
		if a.status != 409 || a.Code != "wrong_cluster" || a.Cluster != firstCluster {
			return "", failed("%s %s of cluster %s, after it registered with %s: %v (cluster %q), want 409 wrong_cluster with %q",
				c.method, c.path, strangerCluster, firstCluster, a, a.Cluster, firstCluster)
		}
	}
	if status, err := t.holds(ctx, o.key()); err != nil || status != "" {
		return "", orElse(err, failed("the refused task is %s", status))
	}
	return "409 wrong_cluster with its own, and nothing began", nil
}

// When its masters are another cluster, a slave begins anew: with an incarnation of its
// own, and with nothing of the old one's tasks, whose numbers are used a second time.
func newCluster(ctx context.Context, t *tester) (string, error) {
	if !t.clusters {
		return "", skip(withoutClusters)
	}
	t.master.answerWith(withoutLead)
	old, _, err := t.short(ctx) // its result waits
	if err == nil {
		_, _, err = t.long(ctx)
	}
	if err != nil {
		return "", err
	}
	t.begun = nil // they are of the old cluster
	before, m := t.self.Incarnation, t.master
	registrations := m.rebuild(rebuiltCluster)
	m.answerWith(accepting)
	if !m.await(ctx, t.cfg.Register, func() bool { return len(m.registrations) > registrations }) {
		return "", failed("its masters became cluster %s, and it did not register within %s", rebuiltCluster, t.cfg.Register)
	}
	m.mu.Lock()
	told := len(m.told[old.key()]) // a report may have been under way until now
	m.mu.Unlock()
	if _, err := t.meet(); err != nil {
		return "", err
	}
	if t.self.Incarnation == before {
		return "", failed("it registered with cluster %s as the incarnation %s, which was another cluster's", rebuiltCluster, before)
	}
	if err := t.awaitFree(ctx, t.cfg.LongFor*2/3, func(free int) bool { return free == t.slots }); err != nil {
		return "", fmt.Errorf("the other cluster's task was not stopped: %w", err)
	}
	if err := t.noMore(ctx, old.key(), told); err != nil {
		return "", fmt.Errorf("the result is another cluster's: %w", err)
	}
	again := t.order(t.cfg.Short)
	again.ID = old.ID
	if _, err := t.expect(ctx, []order{again}, "accepted"); err != nil {
		return "", fmt.Errorf("a task with a number that the other cluster had used: %w", err)
	}
	return fmt.Sprintf("%s, then %s, with nothing of the old cluster", before, t.self.Incarnation), t.awaitReports(ctx, again.key(), told+1)
}
