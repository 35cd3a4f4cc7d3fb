package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/cluster/dispatch"
	"muster/cluster/dispatch/scheduler"
	"muster/task/wait"
)

// lead dispatches for one term. When a dispatcher panics, leadership is handed on,
// unless that does not help: then this master keeps it, and its next dispatcher
// begins after a pause.
func (m *master) lead(ctx context.Context, term uint64) error {
	for {
		err := m.dispatch(ctx, term)
		if _, panicked := errors.AsType[*dispatch.PanicError](err); !panicked || ctx.Err() != nil {
			return err
		}
		pause, panics := m.breaker.Pause()
		if pause == 0 {
			return err
		}
		m.cfg.Logger.Error("the dispatcher keeps panicking; this master goes on leading without one for a while", "panics", panics, "pause", pause)
		if !m.pause(ctx, pause, panics) {
			return nil
		}
		// The next one must see all that the last one proposed.
		if err := m.node.Barrier(ctx); err != nil {
			return fmt.Errorf("dispatch again after a panic: %w", err)
		}
	}
}

// dispatch runs one dispatcher.
func (m *master) dispatch(ctx context.Context, term uint64) error {
	d := dispatch.New(dispatch.Config{
		Config: scheduler.Config{
			Term: term, QuestionTTL: m.cfg.QuestionTTL, SlaveTimeout: m.cfg.SlaveTimeout, QueueLimit: m.cfg.QueueLimit,
			Retention: m.cfg.Retention, SlaveRetention: m.cfg.SlaveRetention,
		},
		Cluster: m.node.ClusterID(), Clock: m.node.Clock, Sequence: &m.sequence, Breaker: m.breaker, Logger: m.cfg.Logger,
	}, replicated{m.node}, m.sender)
	m.backend.current.Store(d)
	defer m.backend.current.Store(nil)
	return d.Run(ctx)
}

// pause leads without a dispatcher, and reports whether the time is over.
func (m *master) pause(ctx context.Context, d time.Duration, panics int) bool {
	m.backend.paused.Store(&paused{until: time.Now().Add(d), panics: panics})
	defer m.backend.paused.Store(nil)
	return wait.Sleep(ctx, d)
}

// paused tells why this master leads without a dispatcher.
type paused struct {
	until  time.Time
	panics int
}
