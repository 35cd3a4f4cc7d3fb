package cluster

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
	maxEnvelopeCommands = 1024
	maxEnvelopeBytes    = 1 << 20
	// maxCallBytes bounds one call's proposals. A call above maxEnvelopeBytes
	// (a slave lost with thousands of attempts) has an envelope for itself.
	maxCallBytes      = 8 << 20
	maxQueuedCommands = 8 * maxEnvelopeCommands
	maxQueuedBytes    = 32 << 20
)

// committer commits commands in groups. While entries are in flight, what
// arrives waits and goes together into the next one; an idle queue commits at
// once. So a lone command never waits for company, and under load a few large
// writes to the disk serve everyone.
type committer struct {
	encode  func(fsm.Envelope) ([]byte, error)
	stamp   func() task.Millis
	metrics *metrics
	futures *futures

	mu     sync.Mutex
	queue  []*call       // under mu
	queued int           // commands in queue, under mu
	bytes  int           // of queue, under mu
	closed bool          // under mu
	wake   chan struct{} // has a value when queue may be non-empty
}

// call is one Propose.
type call struct {
	proposals []fsm.Proposal
	size      int
	alone     bool // it has an entry for itself

	landed   func(err error) // called once, with an error of Raft or a refusal
	index    uint64          // of the entry, once it has landed without an error
	outcomes []fsm.Outcome   // then, too
}

func newCommitter(encode func(fsm.Envelope) ([]byte, error), stamp func() task.Millis, m *metrics, f *futures) *committer {
	return &committer{encode: encode, stamp: stamp, metrics: m, futures: f, wake: make(chan struct{}, 1)}
}

// Propose commits the proposals next to each other in one entry and returns
// their outcomes, in order, once the entry is applied here. A *task.Error with
// another code than CodeOutcomeUnknown says that nothing happened and nothing
// will: CodeNotLeader (with the leader's URL) or CodeNoLeader, CodeOverloaded,
// CodeDiskLow, CodeShuttingDown. ctx bounds the wait in the queue; an entry that
// is on its way is waited for, for a bounded time.
func (n *Node) Propose(ctx context.Context, proposals ...fsm.Proposal) ([]fsm.Outcome, error) {
	if len(proposals) == 0 {
		return nil, nil
	}
	own := &call{proposals: proposals}
	err := n.committer.await(ctx, own, n.propose)
	return own.outcomes, err
}

// propose puts a call behind those that were proposed before, without a wait. landed is
// called once, with its fate.
func (n *Node) propose(own *call, landed func(err error)) {
	own.landed = func(err error) {
		if _, refused := errors.AsType[*task.Error](err); err != nil && !refused {
			err = refusal(err, n.otherLeaderURL())
		}
		if err != nil {
			n.metrics.refused(err)
		}
		landed(err)
	}
	if err := n.enqueue(own); err != nil {
		own.landed(err)
	}
}

func (n *Node) enqueue(own *call) error {
	if !n.IsLeader() {
		return notLeaderError(n.otherLeaderURL())
	}
	if n.disk.refuses() && slices.ContainsFunc(own.proposals, isSubmit) {
		return task.Refuse(task.CodeDiskLow, "the leader's disk is almost full, and no master that has space can take over; no new tasks are taken until there is space")
	}
	if err := understood(n.View, own.proposals); err != nil {
		return err
	}
	return n.committer.enqueue(own)
}

// understood refuses commands that a master of an older version would stop at.
func understood(view func() *fsm.View, proposals []fsm.Proposal) error {
	highest := fsm.Number(0)
	for _, p := range proposals {
		highest = max(highest, p.Command.Number())
	}
	if highest <= fsm.NumberRemoveMaster { // what the first version knew
		return nil
	}
	for _, m := range view().Masters() {
		if fsm.Number(m.Commands) < highest {
			return task.Refuse(task.CodeUpgradeNeeded, fmt.Sprintf("master %s runs an older version that does not know this yet; upgrade it, then try again", m.ID))
		}
	}
	return nil
}

func isSubmit(p fsm.Proposal) bool {
	_, is := p.Command.(fsm.SubmitTask)
	return is
}

// enqueue puts a call into the queue. It measures the proposals: one that can't be
// encoded does not get into an envelope, where it would spoil its neighbours'.
func (c *committer) enqueue(own *call) error {
	if n := len(own.proposals); n > maxEnvelopeCommands {
		return task.Refuse(task.CodeInvalidRequest, fmt.Sprintf("%d commands at once; at most %d fit in one entry", n, maxEnvelopeCommands))
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

func (c *committer) add(own *call) error {
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

// await proposes a call and waits for its fate; ctx bounds the wait in the queue.
func (c *committer) await(ctx context.Context, own *call, propose func(own *call, landed func(err error))) (err error) {
	done := make(chan struct{})
	propose(own, func(fate error) {
		err = fate
		close(done)
	})
	select {
	case <-done:
	case <-ctx.Done():
		c.withdraw(own, task.Refuse(task.CodeOverloaded, "the request ended while it waited for the log; nothing happened, try again"))
		<-done // in flight: bounded by enqueueTimeout and flightTimeout
	}
	return err
}

// withdraw takes a call back out of the queue, if it is still there, and lands it.
func (c *committer) withdraw(own *call, reason error) {
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
func (c *committer) take() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	commands, size, n := 0, 0, 0
	for _, next := range c.queue {
		if n > 0 && (next.alone || c.queue[0].alone || commands+len(next.proposals) > maxEnvelopeCommands || size+next.size > maxEnvelopeBytes) {
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
func (c *committer) close() {
	c.mu.Lock()
	c.closed = true
	queue := c.queue
	c.queue, c.queued, c.bytes = nil, 0, 0
	c.mu.Unlock()
	land(queue, 0, nil, shuttingDown())
}
