package evaluate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"muster/task"
)

// PoolConfig configures a Pool.
type PoolConfig struct {
	// Command starts a process that calls ServeChild with its stdin and stdout.
	Command  []string
	Children int          // default: one per CPU, at least 2
	Logger   *slog.Logger // default: discard
}

// Pool computes expressions in child processes, which it starts when they are
// needed and again when they die. It is safe for concurrent use.
type Pool struct {
	cfg PoolConfig

	mu       sync.Mutex
	children []*child // under mu; nil: not started, or to be started again
	starts   []starts // per child; under mu
	closed   bool     // under mu

	// quarantine is held by the one request that runs in a process of its own,
	// after it was in one that died.
	quarantine chan struct{}
}

// starts slows down the restarts of a child that dies at once.
type starts struct {
	last  time.Time
	pause time.Duration
}

// Bounds of restarts and of repetitions.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 5 * time.Second
	calmAfter    = 10 * time.Second // a child that lived so long starts without a pause
	maxInnocent  = 3                // times a task is moved on because of another one
)

// DiedError says that the process of a task died twice, the second time with
// that task alone.
type DiedError struct{}

// Error returns a sentence for the task's record.
func (DiedError) Error() string {
	return "the evaluating process died, twice: the expression needs more memory than it may have, or the process was killed"
}

// Retryable tells that another execution may succeed.
func (DiedError) Retryable() bool { return true }

var errClosed = errors.New("the evaluator is closed")

// NewPool returns a Pool; Close ends its processes.
func NewPool(cfg PoolConfig) (*Pool, error) {
	if len(cfg.Command) == 0 {
		return nil, errors.New("no command is given that evaluates expressions")
	}
	if cfg.Children <= 0 {
		cfg.Children = max(2, runtime.NumCPU())
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Pool{
		cfg:      cfg,
		children: make([]*child, cfg.Children), starts: make([]starts, cfg.Children),
		quarantine: make(chan struct{}, 1),
	}, nil
}

// Evaluate computes the expression of an order in a child process. When ctx ends
// it returns ctx's cause; a process that does not stop computing then is killed,
// and what else it computed goes on in another one. Any other error is the
// expression's own, except a DiedError.
func (p *Pool) Evaluate(ctx context.Context, o task.Order) (task.Value, error) {
	for range maxInnocent {
		c, err := p.pick(ctx)
		if err != nil {
			return task.Value{}, err
		}
		v, err := c.do(ctx, o)
		switch {
		case ctx.Err() != nil && err != nil:
			return task.Value{}, context.Cause(ctx)
		case errors.Is(err, errInnocent):
		case errors.Is(err, errDied):
			p.cfg.Logger.Warn("an evaluating process died; its tasks run again, one at a time", "task", o.ID)
			return p.alone(ctx, o)
		default:
			return v, err
		}
	}
	return p.alone(ctx, o)
}

// pick returns the child with the fewest requests, and starts it if need be.
func (p *Pool) pick(ctx context.Context) (*child, error) {
	for {
		c, wait, err := p.tryPick()
		if c != nil || err != nil {
			return c, err
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// tryPick returns a child, or how long to wait before one may be started.
func (p *Pool) tryPick() (best *child, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, 0, errClosed
	}
	least, empty := 0, -1
	for i, c := range p.children {
		load := -1
		if c != nil {
			load = c.load()
		}
		switch {
		case load < 0:
			empty = i
		case best == nil || load < least:
			best, least = c, load
		}
	}
	if empty < 0 || best != nil && least == 0 {
		return best, 0, nil
	}
	s := &p.starts[empty]
	if wait = time.Until(s.last.Add(s.pause)); wait > 0 {
		return best, wait, nil
	}
	c, err := startChild(p.cfg.Command)
	if err != nil {
		return nil, 0, fmt.Errorf("start an evaluating process: %w", err)
	}
	if s.pause = min(max(firstPause, 2*s.pause), longestPause); s.last.IsZero() || time.Since(s.last) > calmAfter {
		s.pause = firstPause
	}
	s.last = time.Now()
	p.children[empty] = c
	return c, 0, nil
}

// alone computes an order in a process that nothing else runs in.
func (p *Pool) alone(ctx context.Context, o task.Order) (task.Value, error) {
	select {
	case p.quarantine <- struct{}{}:
		defer func() { <-p.quarantine }()
	case <-ctx.Done():
		return task.Value{}, context.Cause(ctx)
	}
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return task.Value{}, errClosed
	}
	c, err := startChild(p.cfg.Command)
	if err != nil {
		return task.Value{}, fmt.Errorf("start an evaluating process: %w", err)
	}
	defer c.end()
	v, err := c.do(ctx, o)
	switch {
	case ctx.Err() != nil && err != nil:
		return task.Value{}, context.Cause(ctx)
	case errors.Is(err, errDied):
		return task.Value{}, DiedError{}
	}
	return v, err
}

// Close ends all processes and waits for them. Requests that are under way fail.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	children := p.children
	p.children = make([]*child, len(children))
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range children {
		if c != nil {
			wg.Go(c.end)
		}
	}
	wg.Wait()
	return nil
}
