package dispatch

import (
	"log/slog"
	"sync/atomic"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// Config are a dispatcher's settings: those of its scheduler, whose defaults they
// have, and what connects it with this master.
type Config struct {
	scheduler.Config

	Cluster string             // which cluster, said to slaves
	Clock   func() task.Millis // the cluster's; by default this machine's
	// Sequence numbers the requests to slaves, who take none that is lower than one
	// before in the same term. A master that may lead twice in a term gives all its
	// dispatchers the same.
	Sequence *atomic.Uint64
	Breaker  *Breaker     // what this master's dispatchers panicked over
	Logger   *slog.Logger // discards by default
}

// The scheduler's words that callers of a Dispatcher use.
type (
	// Request is a task to be submitted.
	Request = scheduler.Request
	// Answer is what came of a Request that was not refused.
	Answer = scheduler.Answer
	// Retention says which done tasks are forgotten.
	Retention = scheduler.Retention
)

func (c Config) defaulted() Config {
	c.Config = c.Defaulted()
	if c.Clock == nil {
		c.Clock = func() task.Millis { return task.Millis(time.Now().UnixMilli()) }
	}
	if c.Sequence == nil {
		c.Sequence = new(atomic.Uint64)
	}
	if c.Breaker == nil {
		c.Breaker = NewBreaker(func() {})
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}
