package cluster

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// diskPoll is how often the free space is looked at.
const diskPoll = time.Second

// diskGuard knows whether the disk is too full for new tasks. Results are taken
// all the same: they free more than they need.
type diskGuard struct {
	dir    string
	min    uint64
	free   func(dir string) (uint64, error)
	logger *slog.Logger

	low   atomic.Bool
	bytes atomic.Uint64
}

// run polls until ctx ends.
func (g *diskGuard) run(ctx context.Context) {
	every(ctx, diskPoll, g.look)
}

// look polls once. If the space can't be told, the last answer stands.
func (g *diskGuard) look() {
	free, err := g.free(g.dir)
	if err != nil {
		g.logger.Warn("free disk space is unknown", "dir", g.dir, "error", err)
		return
	}
	g.bytes.Store(free)
	low := free < g.min
	if g.low.Swap(low) == low {
		return
	}
	if low {
		g.logger.Warn("disk is low: no new tasks are taken", "dir", g.dir, "free", free, "min", g.min)
	} else {
		g.logger.Info("disk has space again: new tasks are taken", "dir", g.dir, "free", free)
	}
}

// every calls do at once and then at each tick, until ctx ends.
func every(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		do()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
