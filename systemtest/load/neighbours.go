package main

import (
	"context"
	"errors"
	"strconv"
	"sync"
)

// neighbours measures what a cluster gets done beside two others under the same load,
// and holds it against a third of what it gets done alone.
func neighbours(ctx context.Context, s settings) (err error) {
	const clusters = 3
	var all []*cluster
	defer func() {
		for _, c := range all {
			err = errors.Join(err, c.close())
		}
	}()
	for i := range clusters {
		c, err := startCluster(ctx, s, "cluster-"+strconv.Itoa(i+1))
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	before := submitAll(ctx, all[0].URLs, s.clients, s.calm)
	sayf("%d clients of one cluster alone, for %s\n%s", s.clients, s.calm, before)

	seen, failed := make([]overloaded, clusters), make([]error, clusters)
	var loads sync.WaitGroup
	for i, c := range all {
		loads.Go(func() { seen[i], failed[i] = overload(ctx, c, s.clients, s.load) })
	}
	loads.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	// On a machine that others use, too, the rate before says little.
	after := submitAll(ctx, all[0].URLs, s.clients, s.calm)
	sayf("%d clients of one cluster alone, for %s\n%s", s.clients, s.calm, after)
	share := max(before.rate(), after.rate()) / clusters
	for i, o := range seen {
		sayf("%d clients of each of %d clusters, for %s: cluster %d\n%s", s.clients, clusters, s.load, i+1, o.tally)
		sayf("  accepted: %.2f × of its share, %.1f/s", o.tally.rate()/share, share)
		sayf("  elections: %d\n  %s\n  status: %s", o.elections, o.usage, o.status)
	}
	return ctx.Err()
}
