package evaluate

import (
	"context"
	"errors"
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
	cfg     PoolConfig
	starter *thread
	closing chan struct{}
	// processes waits for every process that was started.
	processes sync.WaitGroup

	mu       sync.Mutex
	children []*child            // under mu; nil: not started, or to be started again
	starts   []starts            // per child; under mu
	alive    map[*child]struct{} // children, and those of alone; under mu
	closed   bool                // under mu

	// quarantine holds one token for each request that runs in a process of its
	// own, after it was in one that died.
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
	// maxAlone is how many tasks run in a process of their own at once. One
	// would do to find the guilty, but the innocent wait in that line, and a
	// line of sleepers would last longer than their time-outs.
	maxAlone = 8
)

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
		cfg: cfg, starter: newThread(), closing: make(chan struct{}),
		children: make([]*child, cfg.Children), starts: make([]starts, cfg.Children),
		alive: map[*child]struct{}{}, quarantine: make(chan struct{}, maxAlone),
	}, nil
}

// Evaluate computes the expression of an order in a child process. When ctx ends
// it returns ctx's cause; a process that does not stop computing then is killed,
// and what else it computed goes on in another one. Any other error is the
// expression's own, unless it says that it is Retryable.
func (p *Pool) Evaluate(ctx context.Context, o task.Order) (task.Value, error) {
	for range maxInnocent {
		c, err := p.pick(ctx)
		if err != nil {
			return task.Value{}, err
		}
		v, err := c.do(ctx, o)
		switch {
		case err == nil:
			return v, nil
		case ctx.Err() != nil:
			return task.Value{}, context.Cause(ctx)
		case errors.Is(err, errInnocent):
		case errors.Is(err, errDied):
			return p.alone(ctx, o)
		default:
			return task.Value{}, err
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
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.closing: // tryPick says so
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		}
		timer.Stop()
	}
}

// tryPick returns a child, or how long to wait before one may be started.
func (p *Pool) tryPick() (best *child, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
	if wait = time.Until(s.last.Add(s.pause)); wait > 0 && !p.closed {
		return best, wait, nil
	}
	if s.last.IsZero() || time.Since(s.last) > calmAfter {
		s.pause = 0
	}
	s.last, s.pause = time.Now(), min(max(firstPause, 2*s.pause), longestPause)
	if p.children[empty], err = p.start(); err != nil {
		return nil, 0, err
	}
	return p.children[empty], 0, nil
}

// alone computes an order in a process that nothing else runs in. If that one
// dies too, the order is the cause, as far as anybody can tell.
func (p *Pool) alone(ctx context.Context, o task.Order) (task.Value, error) {
	select {
	case p.quarantine <- struct{}{}:
		defer func() { <-p.quarantine }()
	case <-p.closing:
		return task.Value{}, errClosed
	case <-ctx.Done():
		return task.Value{}, context.Cause(ctx)
	}
	p.mu.Lock()
	c, err := p.start()
	p.mu.Unlock()
	if err != nil {
		return task.Value{}, err
	}
	defer c.end()
	v, err := c.do(ctx, o)
	switch {
	case err == nil:
		return v, nil
	case ctx.Err() != nil:
		return task.Value{}, context.Cause(ctx)
	case !errors.Is(err, errDied) && !errors.Is(err, errInnocent):
		return task.Value{}, err
	case p.isClosed():
		return task.Value{}, errClosed
	default:
		return task.Value{}, DiedError{}
	}
}

// start starts a process. It needs p.mu, so that none is started behind Close.
func (p *Pool) start() (c *child, err error) {
	if p.closed {
		return nil, errClosed
	}
	p.starter.do(func() { c, err = startChild(p.cfg.Command) })
	if err != nil {
		return nil, &startError{err}
	}
	p.alive[c] = struct{}{}
	p.processes.Go(func() {
		c.run()
		p.mu.Lock()
		delete(p.alive, c)
		p.mu.Unlock()
		if state := c.cmd.ProcessState; state != nil && !state.Success() {
			p.cfg.Logger.Warn("an evaluating process died; what it computed is computed again",
				"pid", state.Pid(), "end", state.String(), "said", c.stderr.String())
		}
	})
	return c, nil
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// Close ends all processes and waits for them. Requests that are under way fail
// with an error that is Retryable. It may be repeated.
func (p *Pool) Close() error {
	p.mu.Lock()
	first := !p.closed
	if p.closed = true; first {
		close(p.closing)
	}
	for c := range p.alive {
		p.processes.Go(c.end)
	}
	p.mu.Unlock()
	p.processes.Wait()
	if first {
		p.starter.stop()
	}
	return nil
}
