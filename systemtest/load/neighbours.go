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
	alone := submitAll(ctx, all[0].URLs, s.clients, s.calm)
	share := alone.rate(accepted) / clusters
	say("%d clients of one cluster alone, for %s\n%s", s.clients, s.calm, alone)

	seen, failed := make([]overloaded, clusters), make([]error, clusters)
	var loads sync.WaitGroup
	for i, c := range all {
		loads.Go(func() { seen[i], failed[i] = overload(ctx, c, s.clients, s.load) })
	}
	loads.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	for i, o := range seen {
		say("%d clients of each of %d clusters, for %s: cluster %d\n%s", s.clients, clusters, s.load, i+1, o.tally)
		say("  accepted: %.2f × of its share, %.1f/s", o.tally.rate(accepted)/share, share)
		say("  elections: %d\n  %s\n  status: %s", o.elections, o.usage, o.status)
	}
	return ctx.Err()
}
