package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// fewClients are the numbers of clients among which the best rate is looked for.
var fewClients = [...]int{8, 16, 32}

// connections measures what many clients that submit without a pause leave of the
// rate that few of them get.
func connections(ctx context.Context, s settings) (err error) {
	c, err := startCluster(ctx, s, "cluster")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var peak float64
	best := 0
	for _, n := range fewClients {
		if rate := few(ctx, c, n, s.calm); rate > peak {
			peak, best = rate, n
		}
	}
	o, err := overload(ctx, c, s.clients, s.load)
	if err != nil {
		return err
	}
	sayf("%d connections without pause, for %s\n%s", s.clients, s.load, o.tally)
	sayf("  accepted: %.0f %% of the best rate before", 100*o.tally.rate()/peak)
	refused := o.tally.refusals()
	sayf("  all refusals: p50 %s, p99 %s", round(refused.quantile(.5)), round(refused.quantile(.99)))
	sayf("  elections: %d\n  %s\n  status: %s", o.elections, o.usage, o.status)
	// On a machine that others use, too, the rate before says little.
	after := few(ctx, c, best, s.calm)
	sayf("  accepted under load: %.0f %% of this", 100*o.tally.rate()/after)
	return ctx.Err()
}

// few has a few clients submit, and returns how many tasks a second were accepted.
func few(ctx context.Context, c *cluster, clients int, d time.Duration) float64 {
	t := submitAll(ctx, c.URLs, clients, d)
	sayf("%d connections without pause, for %s\n%s", clients, d, t)
	return t.rate()
}

// overloaded is what was seen of a cluster under load.
type overloaded struct {
	tally     *tally
	elections uint64
	usage     *usage
	status    *tally // calls for a master's status meanwhile
}

// overload has many clients submit without a pause.
func overload(ctx context.Context, c *cluster, clients int, d time.Duration) (o overloaded, err error) {
	const within = 10 * time.Second
	before, err := c.term(ctx, within)
	if err != nil {
		return o, err
	}
	o.usage, o.status = new(usage), newTally()
	watching, end := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { o.usage.watch(watching, c) })
	watch.Go(func() { askStatus(watching, c, o.status) })
	o.tally = submitAll(ctx, c.URLs, clients, d)
	end()
	watch.Wait()
	o.status.end()
	after, err := c.term(ctx, within)
	o.elections = after - before
	return o, err
}
