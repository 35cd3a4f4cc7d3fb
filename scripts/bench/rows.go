package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// sample is what one measurement found.
type sample map[metric]float64

// metric is a name of a column.
type metric string

const (
	rate         metric = "tasks/s"
	p50          metric = "submit p50, ms"
	cpuAll       metric = "CPU/task, µs"
	cpuLeader    metric = "leader, µs"
	cpuFollowers metric = "followers, µs"
	cpuSlaves    metric = "slaves, µs"
	cpuChildren  metric = "children, µs"
	cpuClient    metric = "client, µs"
	objects      metric = "objects/task on the leader"
	residentAll  metric = "resident B/task, leader"
	residentAnon metric = "of it in no file, B/task"
)

// warmUp is how long each load runs before it is measured.
const warmUp = time.Second

// measureWithin bounds one measurement of all contestants.
const measureWithin = 30 * time.Minute

// tries is how often a measurement is begun that is disturbed.
const tries = 4

// row is one thing to measure.
type row struct {
	name, title string
	usual       bool // measured when nothing is asked for
	muster      func(context.Context, settings, build) (sample, error)
	peers       *load // what gin and NATS are given; nil: they have no such thing
	gin         bool
	aims        []aim
}

// aim is what a metric is to be, against another contestant of the same row.
type aim struct {
	what    metric
	against string // base, gin, nats; empty: as a number
	atLeast bool
	value   float64
}

func rows() []row {
	return []row{
		{name: "64", title: "64 clients, single POSTs, end to end", usual: true, muster: onDisk(load{clients: 64}), peers: &load{clients: 64}, gin: true, aims: []aim{
			{rate, "base", true, 3}, {rate, "gin", true, 0.35}, {rate, "nats", true, 2}, {cpuAll, "base", false, 0.33}, {objects, "base", false, 0.35},
		}},
		{name: "256", title: "256 clients, single POSTs, end to end", usual: true, muster: onDisk(load{clients: 256}), peers: &load{clients: 256}, gin: true, aims: []aim{
			{rate, "base", true, 2.7}, {rate, "gin", true, 0.5}, {rate, "nats", true, 2.5},
		}},
		{name: "batch", title: "batches of 1,000 by 4 clients, end to end", usual: true, muster: onDisk(load{clients: 4, batch: 1000}), aims: []aim{
			{rate, "base", true, 6},
		}},
		{name: "one", title: "1 client, single POSTs", usual: true, muster: onDisk(load{clients: 1}), peers: &load{clients: 1}, aims: []aim{
			{p50, "base", false, 0.6}, {p50, "nats", false, 0.85},
		}},
		{name: "queue", title: "queued tasks through one slave of one slot", usual: true, muster: measureQueue, aims: []aim{
			{rate, "base", true, 2.5},
		}},
		{name: "shm", title: "64 clients, without a disk", usual: true, muster: inMemory(load{clients: 64}), aims: []aim{
			{cpuAll, "base", false, 0.33},
		}},
		{name: "memory", title: "resident memory with a million done tasks", muster: measureMemory, aims: []aim{
			{residentAll, "", false, 250},
		}},
	}
}

func allRows() []string {
	var names []string
	for _, r := range rows() {
		names = append(names, r.name)
	}
	return names
}

func usualRows() []string {
	var names []string
	for _, r := range rows() {
		if r.usual {
			names = append(names, r.name)
		}
	}
	return names
}

// measureAll measures each contestant in turn, row by row, again and again, and prints what it found.
func measureAll(ctx context.Context, s settings, out io.Writer) error {
	all := results{}
	for rep := range s.reps {
		for _, name := range s.only {
			for _, r := range rows() {
				if r.name != name {
					continue
				}
				if err := measureRow(ctx, s, r, rep, all); err != nil {
					return fmt.Errorf("row %s: %w", r.name, err)
				}
			}
		}
	}
	all.print(out, s)
	return nil
}

// measureRow measures all contestants of a row once.
func measureRow(ctx context.Context, s settings, r row, rep int, all results) error {
	ctx, cancel := context.WithTimeout(ctx, measureWithin)
	defer cancel()
	try := func(who string, measure func() (sample, error)) error {
		found, err := measure()
		for n := 1; n < tries && errors.Is(err, errDisturbed); n++ {
			fmt.Fprintf(os.Stderr, "%d/%d %-6s %-10s again: %s\n", rep+1, s.reps, r.name, who, err)
			found, err = measure()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
		all.add(r.name, who, found)
		fmt.Fprintf(os.Stderr, "%d/%d %-6s %-10s %s\n", rep+1, s.reps, r.name, who, found)
		return nil
	}
	for _, b := range s.builds {
		if err := try(b.name, func() (sample, error) { return r.muster(ctx, s, b) }); err != nil {
			return err
		}
	}
	if r.gin && s.gin {
		if err := try("gin", func() (sample, error) { return measureGin(ctx, s, *r.peers) }); err != nil {
			return err
		}
	}
	if r.peers != nil && s.nats != "" {
		if err := try("nats", func() (sample, error) { return measureNATS(ctx, s, *r.peers) }); err != nil {
			return err
		}
	}
	return nil
}

func onDisk(l load) func(context.Context, settings, build) (sample, error) {
	return func(ctx context.Context, s settings, b build) (sample, error) {
		return measureLoad(ctx, s, b, l, s.dir)
	}
}

func inMemory(l load) func(context.Context, settings, build) (sample, error) {
	return func(ctx context.Context, s settings, b build) (sample, error) {
		return measureLoad(ctx, s, b, l, s.memory)
	}
}

// What the masters have to give tasks to.
const slaves, slots = 2, 512

// measureLoad has clients submit for a while, and counts until the last task is done.
func measureLoad(ctx context.Context, s settings, b build, l load, dir string) (sample, error) {
	c, err := startCluster(ctx, b, dir)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	if err := c.addSlaves(ctx, slaves, slots); err != nil {
		return nil, err
	}
	if l.batch > 0 {
		l.done = c.done
	}
	all, err := l.submit(ctx, c.url(), warmUp)
	if err != nil {
		return nil, err
	}
	if err := c.allDone(ctx, 5*time.Millisecond); err != nil {
		return nil, err
	}
	before, err := c.now(ctx)
	if err != nil {
		return nil, err
	}
	stopPerf, err := c.perf(s)
	if err != nil {
		return nil, err
	}
	t, err := l.submit(ctx, c.url(), s.during)
	if err != nil {
		return nil, err
	}
	if err := c.allDone(ctx, 5*time.Millisecond); err != nil {
		return nil, err
	}
	after, err := c.now(ctx)
	if err != nil {
		return nil, err
	}
	stopPerf()
	all.add(t)
	if err := c.check(ctx, all); err != nil {
		return nil, err
	}
	return after.since(before, t), nil
}

// moment is what was counted at a time.
type moment struct {
	at      time.Time
	taken   taken
	client  time.Duration
	objects float64
}

func (c *cluster) now(ctx context.Context) (moment, error) {
	m := moment{at: time.Now()}
	var err error
	if m.taken, err = c.taken(); err != nil {
		return m, err
	}
	if m.client, _, err = times(os.Getpid()); err != nil {
		return m, err
	}
	m.objects, err = c.allocated(ctx)
	return m, err
}

// since is what each of the tasks took from one moment to another.
func (m moment) since(before moment, t *tally) sample {
	n := float64(t.tasks())
	d := m.taken.minus(before.taken)
	return sample{
		rate:         n / m.at.Sub(before.at).Seconds(),
		p50:          t.median(),
		cpuAll:       micros(d.leader+d.followers+d.slaves+d.children) / n,
		cpuLeader:    micros(d.leader) / n,
		cpuFollowers: micros(d.followers) / n,
		cpuSlaves:    micros(d.slaves) / n,
		cpuChildren:  micros(d.children) / n,
		cpuClient:    micros(m.client-before.client) / n,
		objects:      (m.objects - before.objects) / n,
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// measureQueue queues tasks while there is no slave, and counts from when the only one begins.
func measureQueue(ctx context.Context, s settings, b build) (sample, error) {
	c, err := startCluster(ctx, b, s.dir)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	all, err := load{clients: 1, batch: min(1000, s.queued), total: s.queued}.submit(ctx, c.url(), 0)
	if err != nil {
		return nil, err
	}
	if err := c.addSlaves(ctx, 1, 1); err != nil {
		return nil, err
	}
	first, err := c.status(ctx, c.leader)
	if err != nil {
		return nil, err
	}
	before, err := c.now(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.allDone(ctx, 50*time.Millisecond); err != nil {
		return nil, err
	}
	after, err := c.now(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.check(ctx, all); err != nil {
		return nil, err
	}
	return sample{rate: float64(all.tasks()-first.Counts.Done) / after.at.Sub(before.at).Seconds()}, nil
}

// measureMemory has many tasks done, and looks at what the leader has grown by.
func measureMemory(ctx context.Context, s settings, b build) (sample, error) {
	c, err := startCluster(ctx, b, s.dir)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	if err := c.addSlaves(ctx, slaves, slots); err != nil {
		return nil, err
	}
	pid := c.masters[c.leader].pid()
	all0, anon0, err := resident(pid)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	t, err := load{clients: 4, batch: 1000, total: s.tasks, done: c.done}.submit(ctx, c.url(), 0)
	if err != nil {
		return nil, err
	}
	if err := c.allDone(ctx, 100*time.Millisecond); err != nil {
		return nil, err
	}
	n := float64(t.tasks())
	found := sample{rate: n / time.Since(began).Seconds()}
	// What it took to get there is let go of by the garbage collector, and by its scavenger.
	if err := pause(ctx, 15*time.Second); err != nil {
		return nil, err
	}
	all1, anon1, err := resident(pid)
	if err != nil {
		return nil, err
	}
	if err := c.check(ctx, t); err != nil {
		return nil, err
	}
	found[residentAll] = float64(all1-all0) / n
	found[residentAnon] = float64(anon1-anon0) / n
	return found, nil
}
