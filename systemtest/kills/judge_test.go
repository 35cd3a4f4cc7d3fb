package kills_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"muster/api/client"
	"muster/systemtest/evidence"
)

// judge ends the load, waits until everything is done and all masters hold the
// same, and compares: what clients were told, what each master lists, and what
// the slaves accepted.
func (c *cluster) judge(l *load) {
	c.t.Helper()
	l.end()
	var wrong []string
	for _, d := range c.dumps() {
		c.seen.Dump(d)
		wrong = append(wrong, c.accepted(d)...)
		if len(d.Tasks) != l.begun {
			wrong = append(wrong, fmt.Sprintf("%s lists %d tasks, %d were acknowledged", d.Master, len(d.Tasks), l.begun))
		}
	}
	wrong = append(wrong, c.seen.Check()...)
	wrong = append(wrong, c.executedOnce()...)
	wrong = append(wrong, c.panics()...)
	if len(wrong) > 0 {
		c.t.Fatalf("%d broken promises:\n  %s", len(wrong), strings.Join(wrong[:min(len(wrong), 30)], "\n  "))
	}
	_, _, kept := l.wire.look("")
	c.t.Logf("%d tasks were acknowledged, each done once with the right result on all masters; of those whose answer was lost, %d were there; "+
		"full capacity was said %d times, unknown fate %d times", l.begun, kept, l.full.Load(), l.unknown.Load())
}

// dumps reads all that all masters have, as it is at one index. A slave may tell
// a result once more after everything is done, which is an entry in the log: then
// they are read again.
func (c *cluster) dumps() (all []evidence.Dump) {
	c.t.Helper()
	c.await("all masters to stay at one index", func(context.Context) error {
		at := c.awaitQuiet()
		all = nil
		for _, m := range c.masters {
			all = append(all, c.dump(m, at))
		}
		for _, d := range all {
			if d.Status.AppliedIndex != at {
				return fmt.Errorf("%s went on to %d while all were read at %d", d.Master, d.Status.AppliedIndex, at)
			}
		}
		return nil
	})
	return all
}

// awaitQuiet waits until nothing is left to do and all masters are at one index.
// It returns the index. Their fingerprints must then be equal, without a wait.
func (c *cluster) awaitQuiet() (index uint64) {
	c.t.Helper()
	c.await("all tasks to be done, and all masters to be at one index", func(ctx context.Context) error {
		var first client.Status
		for i, m := range c.masters {
			s, err := c.api.Status(ctx, m.url, true)
			switch {
			case err != nil:
				return err
			case s.Counts.Pending+s.Counts.InProgress > 0 || s.Capacity.Busy > 0:
				return fmt.Errorf("%s has %+v, %+v", m.id, s.Counts, s.Capacity)
			case i == 0:
				first = s
			case s.AppliedIndex != first.AppliedIndex:
				return fmt.Errorf("%s is at %d, %s at %d", first.ID, first.AppliedIndex, m.id, s.AppliedIndex)
			case s.Fingerprint != first.Fingerprint:
				c.t.Fatalf("at index %d, %s holds %s, and %s %s", s.AppliedIndex, first.ID, first.Fingerprint, m.id, s.Fingerprint)
			}
		}
		index = first.AppliedIndex
		return nil
	})
	return index
}

// dump reads all that one master has, from its own state.
func (c *cluster) dump(m *master, index uint64) evidence.Dump {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit(c.t))
	defer cancel()
	own, err := client.New(client.Config{Addresses: []string{m.url}}) // asks this master alone
	if err != nil {
		c.t.Fatal(err)
	}
	defer own.Close()
	d := evidence.Dump{Master: m.id}
	if d.Slaves, err = own.Slaves(ctx, client.ReadOptions{MinIndex: index}); err != nil {
		c.t.Fatal(err)
	}
	for t, err := range own.List(ctx, client.ListOptions{Limit: 1000, ReadOptions: client.ReadOptions{MinIndex: index}}) {
		if err != nil {
			c.t.Fatal(err)
		}
		d.Tasks = append(d.Tasks, t)
	}
	// The last, so that nothing changed while the list was read.
	if d.Status, err = own.Status(ctx, m.url, true); err != nil {
		c.t.Fatal(err)
	}
	return d
}

// accepted: every result is that of an attempt that its slave accepted.
func (c *cluster) accepted(d evidence.Dump) (wrong []string) {
	for _, t := range d.Tasks {
		i := slices.IndexFunc(c.slaves, func(s *slave) bool { return s.name == t.Slave })
		if i < 0 || !c.slaves[i].watch.has(attempt{t.ID, t.Attempt}) {
			wrong = append(wrong, fmt.Sprintf("%s has task %d done by attempt %d at %q, which never accepted it", d.Master, t.ID, t.Attempt, t.Slave))
		}
	}
	return wrong
}

// executedOnce: each attempt was accepted by one slave, once.
func (c *cluster) executedOnce() (wrong []string) {
	times := map[attempt]int{}
	for _, s := range c.slaves {
		for a, n := range s.watch.all() {
			times[a] += n
		}
		for _, err := range s.watch.troubles() {
			wrong = append(wrong, fmt.Sprintf("between the leader and %s: %v", s.name, err))
		}
	}
	for a, n := range times {
		if n != 1 {
			wrong = append(wrong, fmt.Sprintf("attempt %d of task %d was accepted %d times", a.Attempt, a.ID, n))
		}
	}
	return wrong
}

// panics: no process has said that it panicked.
func (c *cluster) panics() (wrong []string) {
	var all []*process
	for _, m := range c.masters {
		all = append(all, m.process)
	}
	for _, s := range c.slaves {
		all = append(all, s.process)
	}
	for _, p := range all {
		for line := range strings.Lines(p.words()) {
			for _, sign := range []string{"panic:", "fatal error:", "a handler panicked"} {
				if strings.Contains(line, sign) {
					wrong = append(wrong, fmt.Sprintf("%s wrote: %s", p.name, strings.TrimSpace(line)))
				}
			}
		}
	}
	return wrong
}
