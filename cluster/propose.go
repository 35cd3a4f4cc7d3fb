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

	done     chan struct{}
	outcomes []fsm.Outcome // valid after done
	err      error         // an error of Raft or a refusal, valid after done
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
	return n.Enqueue(proposals...)(ctx)
}

// Enqueue is the first half of Propose: it puts the proposals behind those of all
// calls that returned before, so that who calls it again and again has them in the
// log in that order. It does not wait. What it returns waits for the outcomes, and
// must be called once.
func (n *Node) Enqueue(proposals ...fsm.Proposal) (await func(ctx context.Context) ([]fsm.Outcome, error)) {
	own, err := n.enqueue(proposals)
	return func(ctx context.Context) ([]fsm.Outcome, error) {
		var outcomes []fsm.Outcome
		if err == nil {
			outcomes, err = n.committer.await(ctx, own)
		}
		if _, refused := errors.AsType[*task.Error](err); err != nil && !refused {
			outcomes, err = nil, refusal(err, n.otherLeaderURL())
		}
		if err != nil {
			n.metrics.refused(err)
		}
		return outcomes, err
	}
}

func (n *Node) enqueue(proposals []fsm.Proposal) (*call, error) {
	if !n.IsLeader() {
		return nil, notLeaderError(n.otherLeaderURL())
	}
	if n.disk.refuses() && slices.ContainsFunc(proposals, isSubmit) {
		return nil, task.Refuse(task.CodeDiskLow, "the leader's disk is almost full, and no master that has space can take over; no new tasks are taken until there is space")
	}
	if err := understood(n.View, proposals); err != nil {
		return nil, err
	}
	return n.committer.enqueue(proposals)
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

// enqueue makes a call and puts it into the queue. One of nothing is done at once.
func (c *committer) enqueue(proposals []fsm.Proposal) (*call, error) {
	if len(proposals) == 0 {
		none := &call{done: make(chan struct{})}
		close(none.done)
		return none, nil
	}
	own, err := c.newCall(proposals)
	if err != nil {
		return nil, err
	}
	return own, c.add(own)
}

// await returns a call's outcomes, a refusal, or an error of Raft.
func (c *committer) await(ctx context.Context, own *call) ([]fsm.Outcome, error) {
	select {
	case <-own.done:
	case <-ctx.Done():
		if c.withdraw(own) {
			return nil, task.Refuse(task.CodeOverloaded, "the request ended while it waited for the log; nothing happened, try again")
		}
		<-own.done // in flight: bounded by enqueueTimeout and flightTimeout
	}
	return own.outcomes, own.err
}

// newCall measures the proposals. One that can't be encoded does not get into an
// envelope, where it would spoil its neighbours'.
func (c *committer) newCall(proposals []fsm.Proposal) (*call, error) {
	if len(proposals) > maxEnvelopeCommands {
		return nil, task.Refuse(task.CodeInvalidRequest, fmt.Sprintf("%d commands at once; at most %d fit in one entry", len(proposals), maxEnvelopeCommands))
	}
	size, err := fsm.Measure(proposals)
	if err != nil {
		return nil, task.Refuse(task.CodeInternal, fmt.Sprintf("encode commands: %v", err))
	}
	if size > maxCallBytes {
		return nil, task.Refuse(task.CodeBodyTooLarge, fmt.Sprintf("the commands take %d bytes in the log; at most %d fit in one entry", size, maxCallBytes))
	}
	return &call{proposals: proposals, size: size, done: make(chan struct{})}, nil
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

// withdraw takes a call back out of the queue, if it is still there.
func (c *committer) withdraw(own *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.queue, own)
	if i < 0 {
		return false
	}
	c.queue = slices.Delete(c.queue, i, i+1)
	c.queued -= len(own.proposals)
	c.bytes -= own.size
	return true
}

// take removes the next group from the queue; nil if the queue is empty.
func (c *committer) take() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	commands, size, n := 0, 0, 0
	for _, next := range c.queue {
		if n > 0 && (commands+len(next.proposals) > maxEnvelopeCommands || size+next.size > maxEnvelopeBytes) {
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
	defer c.mu.Unlock()
	c.closed = true
	land(c.queue, nil, shuttingDown())
	c.queue, c.queued, c.bytes = nil, 0, 0
}
