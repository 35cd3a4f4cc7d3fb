package evaluate

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// PoolConfig configures a Pool.
type PoolConfig struct {
	// Command starts a process that calls ServeChild with its stdin and stdout.
	Command  []string
	Children int          // default: one per CPU, at least 2
	Logger   *slog.Logger // default: discard
}

// Pool computes expressions in child processes, which it starts when they are
// needed and again when they die. It is safe for concurrent use. See job.go for the
// way of an order.
type Pool struct {
	cfg     PoolConfig
	starter *thread
	closing chan struct{}
	// processes waits for every process that was started, steps for what waits with
	// a job.
	processes, steps sync.WaitGroup

	mu       sync.Mutex
	children []*child            // under mu; nil: not started, or to be started again
	starts   []starts            // per child; under mu
	alive    map[*child]struct{} // children, and those of alone; under mu
	closed   bool                // under mu

	// quarantine holds one token for each request that runs in a process of its
	// own, after it was in one that died.
	quarantine chan struct{}

	took time.Duration // what an evaluation takes, about; under mu
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
		alive: map[*child]struct{}{}, took: worthWaking, quarantine: make(chan struct{}, maxAlone),
	}, nil
}

// tryPick returns a child, or how long to wait before one may be started. Loads count
// in parts. Its caller holds p.mu.
func (p *Pool) tryPick() (best *child, wait time.Duration, err error) {
	if p.closed {
		return nil, 0, errClosed
	}
	part := p.part()
	least, empty := 0, -1
	for i, c := range p.children {
		load := -1
		if c != nil {
			load = c.load()
		}
		switch {
		case load < 0:
			empty = i
		case best == nil || load/part < least:
			best, least = c, load/part
		}
	}
	if empty < 0 || best != nil && least == 0 {
		return best, 0, nil
	}
	s := &p.starts[empty]
	if wait = time.Until(s.last.Add(s.pause)); wait > 0 {
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

// Waking a process costs some tens of microseconds, so each gets as many jobs together
// as keep it busy for longer. How long they take is not known beforehand, but the next
// ones are mostly like the last ones.
const (
	worthWaking = 200 * time.Microsecond
	largestPart = 64
)

// part is how many jobs a process gets together, at most. Its caller holds p.mu.
func (p *Pool) part() int {
	return int(min(max(1, worthWaking/max(1, p.took)), largestPart))
}

// learn takes in how long evaluations took, on average. Its caller holds p.mu.
func (p *Pool) learn(took time.Duration) {
	p.took += (min(took, time.Second) - p.took) / 8
}

// start starts a process. It needs p.mu, so that none is started behind Close.
func (p *Pool) start() (c *child, err error) {
	if p.closed {
		return nil, errClosed
	}
	p.starter.do(func() { c, err = p.startChild() })
	if err != nil {
		return nil, &startError{err}
	}
	p.alive[c] = struct{}{}
	p.processes.Go(func() {
		left, died := c.run()
		p.mu.Lock()
		delete(p.alive, c)
		p.mu.Unlock()
		defer p.lose(left, died)
		if state := c.cmd.ProcessState; state != nil && !state.Success() {
			p.cfg.Logger.Warn("an evaluating process died; what it computed is computed again",
				"pid", state.Pid(), "end", state.String(), "said", c.stderr.String())
		}
	})
	return c, nil
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
	p.steps.Wait()
	if first {
		p.starter.stop()
	}
	return nil
}
