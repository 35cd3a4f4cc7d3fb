package store

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"muster/task/wait"
)

const (
	// SpacePoll is how often the free space is looked at.
	SpacePoll = time.Second
)

// Space knows whether the disk is too full for new tasks. Results are taken
// all the same: they free more than they need.
//
// The space is low below min, and until there is a quarter more than that: a master
// that hands leadership away for want of space only gets it back, by another that does
// the same, when it has clearly got space.
type Space struct {
	Dir    string
	Min    uint64                           // bytes
	Free   func(dir string) (uint64, error) // bytes
	Logger *slog.Logger

	low   atomic.Bool
	bytes atomic.Uint64
	// Alone is set while this master leads, its disk is low, and no master that
	// votes is known to have space.
	Alone atomic.Bool
}

// Run polls until ctx ends.
func (g *Space) Run(ctx context.Context) {
	wait.Every(ctx, SpacePoll, g.Look)
}

// Look polls once. If the space can't be told, the last answer stands.
func (g *Space) Look() {
	free, err := g.Free(g.Dir)
	if err != nil {
		g.Logger.Warn("free disk space is unknown", "dir", g.Dir, "error", err)
		return
	}
	g.bytes.Store(free)
	was := g.low.Load()
	low := free < g.Min || was && free < g.Min+g.Min/4
	g.low.Store(low)
	switch {
	case low && !was:
		g.Logger.Warn("disk is low: as the leader, this master hands leadership to one that has space, or takes no new tasks", "dir", g.Dir, "free", free, "min", g.Min)
	case was && !low:
		g.Alone.Store(false)
		g.Logger.Info("disk has space again", "dir", g.Dir, "free", free)
	}
}

// Low reports whether there is too little space.
func (g *Space) Low() bool { return g.low.Load() }

// Bytes returns how many bytes were free; 0 while it is not known.
func (g *Space) Bytes() uint64 { return g.bytes.Load() }

// Refuses tells whether a leader takes no new tasks. While it looks for a master that
// has space it still takes some, for which there is the other half of min.
func (g *Space) Refuses() bool {
	return g.low.Load() && (g.Alone.Load() || g.bytes.Load() < g.Min/2)
}
