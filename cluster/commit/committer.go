package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"muster/fsm"
	"muster/task"
)

// Bounds of group commit.
const (
	// MaxEnvelopeCommands is how many commands one call, and one entry, may have.
	MaxEnvelopeCommands = 1024
	maxEnvelopeBytes    = 1 << 20
	// maxCallBytes bounds one call's proposals. A call above maxEnvelopeBytes
	// (a slave lost with thousands of attempts) has an envelope for itself.
	maxCallBytes      = 8 << 20
	maxQueuedCommands = 8 * MaxEnvelopeCommands
	maxQueuedBytes    = 32 << 20
)

// Committer commits commands in groups. While entries are in flight, what
// arrives waits and goes together into the next one; an idle queue commits at
// once. So a lone command never waits for company, and under load a few large
// writes to the disk serve everyone. All methods are safe for concurrent use.
type Committer struct {
	cfg     Config
	metrics *metrics

	mu     sync.Mutex
	queue  []*call       // under mu
	queued int           // commands in queue, under mu
	bytes  int           // of queue, under mu
	closed bool          // under mu
	wake   chan struct{} // has a value when queue may be non-empty
}

// Config is what a Committer needs of its node.
type Config struct {
	Encode func(fsm.Envelope) ([]byte, error)
	Stamp  func() task.Millis // of an entry
	// Admit returns why proposals are not taken now; nil: they are.
	Admit func([]fsm.Proposal) error
	// OtherLeader returns the leader's API URL, if it is another master; empty if it is
	// not known.
	OtherLeader func() string
	Futures     *Futures
}

// New returns a Committer; Run has it commit.
func New(cfg Config) *Committer {
	return &Committer{cfg: cfg, metrics: newMetrics(), wake: make(chan struct{}, 1)}
}

// call is what goes into one entry together.
type call struct {
	proposals []fsm.Proposal
	size      int
	alone     bool // it has an entry for itself

	landed   func(err error) // called once, with an error of Raft or a refusal
	index    uint64          // of the entry, once it has landed without an error
	outcomes []fsm.Outcome   // then, too
}

// Propose commits the proposals next to each other in one entry and returns
// their outcomes, in order, once the entry is applied here. A *task.Error with
// another code than CodeOutcomeUnknown says that nothing happened and nothing
// will: CodeNotLeader (with the leader's URL) or CodeNoLeader, CodeOverloaded,
// CodeShuttingDown, or what Admit says. ctx bounds the wait in the queue; an entry that
// is on its way is waited for, for a bounded time.
func (c *Committer) Propose(ctx context.Context, proposals ...fsm.Proposal) ([]fsm.Outcome, error) {
	if len(proposals) == 0 {
		return nil, nil
	}
	own, fate := &call{proposals: proposals}, make(chan error, 1)
	c.propose(own, func(err error) { fate <- err })
	select {
	case err := <-fate:
		return own.outcomes, err
	case <-ctx.Done():
	}
	c.withdraw(own, task.Refuse(task.CodeOverloaded, "the request ended while it waited for the log; nothing happened, try again"))
	err := <-fate // in flight: bounded by EnqueueTimeout and FlightTimeout
	return own.outcomes, err
}

// propose puts a call behind those that were proposed before, without a wait. landed is
// called once, with its fate.
func (c *Committer) propose(own *call, landed func(err error)) {
	own.landed = func(err error) {
		if _, refused := errors.AsType[*task.Error](err); err != nil && !refused {
			err = Refusal(err, c.cfg.OtherLeader())
		}
		if err != nil {
			c.metrics.refused(err)
		}
		landed(err)
	}
	err := c.cfg.Admit(own.proposals)
	if err == nil {
		err = c.enqueue(own)
	}
	if err != nil {
		own.landed(err)
	}
}

// enqueue puts a call into the queue. It measures the proposals: one that can't be
// encoded does not get into an envelope, where it would spoil its neighbours'.
func (c *Committer) enqueue(own *call) error {
	if n := len(own.proposals); n > MaxEnvelopeCommands {
		return task.Refuse(task.CodeInvalidRequest, fmt.Sprintf("%d commands at once; at most %d fit in one entry", n, MaxEnvelopeCommands))
	}
	size, err := fsm.Measure(own.proposals)
	if err != nil {
		return task.Refuse(task.CodeInternal, fmt.Sprintf("encode commands: %v", err))
	}
	if size > maxCallBytes {
		return task.Refuse(task.CodeBodyTooLarge, fmt.Sprintf("the commands take %d bytes in the log; at most %d fit in one entry", size, maxCallBytes))
	}
	own.size = size
	return c.add(own)
}

func (c *Committer) add(own *call) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return shuttingDown()
	}
	if len(c.queue) > 0 && (c.queued+len(own.proposals) > maxQueuedCommands || c.bytes+own.size > maxQueuedBytes) {
		return task.Refuse(task.CodeOverloaded, fmt.Sprintf("%d commands wait for the log already; nothing happened, try again", c.queued))
	}
	c.queue = append(c.queue, own)
	c.queued += len(own.proposals)
	c.bytes += own.size
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// withdraw takes a call back out of the queue, if it is still there, and lands it.
func (c *Committer) withdraw(own *call, reason error) {
	c.mu.Lock()
	i := slices.Index(c.queue, own)
	if i >= 0 {
		c.queue = slices.Delete(c.queue, i, i+1)
		c.queued -= len(own.proposals)
		c.bytes -= own.size
	}
	c.mu.Unlock()
	if i >= 0 {
		own.landed(reason)
	}
}

// take removes the next group from the queue; nil if the queue is empty.
func (c *Committer) take() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	commands, size, n := 0, 0, 0
	for _, next := range c.queue {
		if n > 0 && (next.alone || c.queue[0].alone || commands+len(next.proposals) > MaxEnvelopeCommands || size+next.size > maxEnvelopeBytes) {
			break
		}
		commands += len(next.proposals)
		size += next.size
		n++
	}
	group := slices.Clone(c.queue[:n])
	c.queue = slices.Delete(c.queue, 0, n)
	c.queued -= commands
	c.bytes -= size
	return group
}

// close refuses what waits and all that comes.
func (c *Committer) close() {
	c.mu.Lock()
	c.closed = true
	queue := c.queue
	c.queue, c.queued, c.bytes = nil, 0, 0
	c.mu.Unlock()
	land(queue, 0, nil, shuttingDown())
}
