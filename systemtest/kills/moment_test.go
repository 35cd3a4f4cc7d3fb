package kills_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// moment is what was going on when a leader went: the evidence that it went in
// the middle of its work.
type moment struct {
	entries int // in its Raft's hands, by its own metrics, just before
	submits int // on their way to it just before
	rate    float64
	running int // tasks, by the slaves, just after
	broken  int // submits that lost their answer
}

// hurt reports whether a kill at this moment proves anything.
func (m moment) hurt() bool { return m.entries > 0 && m.submits > 0 && m.running > 0 && m.broken > 0 }

// String is the moment in words.
func (m moment) String() string {
	return fmt.Sprintf("%.0f tasks/s, entries in flight %d, submits on their way %d, tasks running %d, answers lost %d",
		m.rate, m.entries, m.submits, m.running, m.broken)
}

// awaitWork waits until all masters are ready, the leader is under load, and an
// entry and a submit are in its hands. The caller strikes at once.
func (c *cluster) awaitWork(l *load) (leader *master, term uint64, m moment) {
	c.t.Helper()
	from := l.acks.count()
	c.await(fmt.Sprintf("a leader at work, that has acknowledged %d tasks", wantAcks), func(ctx context.Context) (err error) {
		if leader, term, err = c.ready(ctx); err != nil {
			return err
		}
		m.rate = l.acks.rate()
		if n := l.acks.count() - from; n < wantAcks {
			return fmt.Errorf("%d tasks are acknowledged, %.0f/s (%d waited for a slot, %d were of unknown outcome)", n, m.rate, l.full.Load(), l.unknown.Load())
		}
		var leads bool
		if leads, m.entries, err = c.gauges(ctx, leader); err != nil {
			return err
		}
		m.submits, _, _ = l.wire.look(leader.host())
		if !leads || m.entries == 0 || m.submits == 0 {
			return fmt.Errorf("%s leads: %t, %s", leader.id, leads, m)
		}
		return nil
	})
	return leader, term, m
}

// host is the address of the master's API.
func (m *master) host() string { return strings.TrimPrefix(m.url, "http://") }

// gauges asks a master whether it leads, and how many entries wait for its Raft.
func (c *cluster) gauges(ctx context.Context, m *master) (leads bool, entries int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+"/metrics", nil)
	if err != nil {
		return false, 0, err
	}
	resp, err := c.web.Do(req)
	if err != nil {
		return false, 0, fmt.Errorf("ask %s for its metrics: %w", m.id, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return false, 0, fmt.Errorf("read the metrics of %s: %w", m.id, err)
	}
	leader, err1 := gauge(string(text), "muster_leader")
	entries, err2 := gauge(string(text), "muster_log_entries_in_flight")
	return leader == 1, entries, errors.Join(err1, err2)
}

func gauge(text, name string) (int, error) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.Atoi(strings.TrimSpace(value))
		}
	}
	return 0, fmt.Errorf("the metrics have no %s", name)
}

// running asks all slaves how many tasks run now.
func (c *cluster) running() int {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit(c.t))
	defer cancel()
	total := 0
	for _, s := range c.slaves {
		n, err := s.running(ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		total += n
	}
	return total
}
