package main

import (
	"context"
	"errors"
	"sync"
	"time"
)

// fewClients are the numbers of clients among which the best rate is looked for.
var fewClients = [...]int{8, 16, 32} //nolint:gochecknoglobals // a constant

// connections measures what many clients that submit without a pause leave of the
// rate that few of them get.
func connections(ctx context.Context, s settings) (err error) {
	c, err := startCluster(ctx, s, "cluster")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var peak float64
	for _, n := range fewClients {
		t := submitAll(ctx, c.URLs, n, s.calm)
		say("%d connections without pause, for %s\n%s", n, s.calm, t)
		peak = max(peak, t.rate(accepted))
	}
	o, err := overload(ctx, c, s.clients, s.load)
	if err != nil {
		return err
	}
	say("%d connections without pause, for %s\n%s", s.clients, s.load, o.tally)
	say("  accepted: %.0f %% of the peak, %.1f/s", 100*o.tally.rate(accepted)/peak, peak)
	refused := o.tally.refusals()
	say("  all refusals: p50 %s, p99 %s", round(refused.quantile(.5)), round(refused.quantile(.99)))
	say("  elections: %d\n  %s\n  status: %s", o.elections, o.usage, o.status)
	return ctx.Err()
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
