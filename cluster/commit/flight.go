package commit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/fsm"
	"muster/task"
)

const (
	// maxInFlight is how many entries are on their way at once.
	maxInFlight = 2
	// EnqueueTimeout is how long Raft's main loop may take to begin with an entry.
	EnqueueTimeout = 5 * time.Second
	// FlightTimeout is how long the callers of an entry wait for its fate.
	FlightTimeout = 10 * time.Second
)

// Appender is the part of Raft that commits entries; the tests have another.
type Appender interface {
	Apply(entry []byte, timeout time.Duration) raft.ApplyFuture
	CurrentTerm() uint64
}

// Run sends groups until ctx ends, then refuses what waits. It returns when no
// caller is left.
func (c *Committer) Run(ctx context.Context, log Appender) {
	slots := make(chan struct{}, maxInFlight)
	var flights sync.WaitGroup
	defer flights.Wait()
	defer c.close()
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		group := c.next(ctx)
		if group == nil {
			return
		}
		f, start, err := c.send(log, group)
		if err != nil {
			land(group, 0, nil, err)
			<-slots
			continue
		}
		landed := func() {
			c.metrics.landed()
			<-slots
		}
		flights.Go(func() { c.fly(group, f, start, landed) })
	}
}

// next returns the next group, or nil when ctx ends.
func (c *Committer) next(ctx context.Context) []*call {
	for {
		if group := c.take(); len(group) > 0 {
			return group
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// send hands a group to Raft as one entry. Only one goroutine sends, so entries
// keep the order of the queue.
func (c *Committer) send(log Appender, group []*call) (raft.ApplyFuture, time.Time, error) {
	var proposals []fsm.Proposal
	for _, own := range group {
		proposals = append(proposals, own.proposals...)
	}
	start := time.Now()
	entry, err := c.cfg.Encode(fsm.Envelope{
		Term:      log.CurrentTerm(),
		Stamp:     c.cfg.Stamp(),
		Proposals: proposals,
	})
	if err != nil {
		return nil, start, task.Refuse(task.CodeInternal, fmt.Sprintf("encode commands: %v", err))
	}
	c.metrics.sent(len(proposals))
	return log.Apply(entry, EnqueueTimeout), start, nil
}

// fly waits for an entry's fate and tells the callers. landed is called when
// Raft has answered, which may be long after the callers were told: the slot of
// an entry that hangs stays taken.
func (c *Committer) fly(group []*call, f raft.ApplyFuture, start time.Time, landed func()) {
	ctx, cancel := context.WithTimeout(context.Background(), FlightTimeout)
	defer cancel()
	err := c.cfg.Futures.Await(ctx, func() raft.Future { return landing{f, landed} })
	if err != nil {
		land(group, 0, nil, err)
		return
	}
	c.metrics.committed(time.Since(start))
	switch answer := f.Response().(type) {
	case []fsm.Outcome:
		land(group, f.Index(), answer, nil)
	case error:
		land(group, 0, nil, answer)
	default:
		land(group, 0, nil, fmt.Errorf("the entry was answered with %T", answer))
	}
}

// landing is a future that says when it has answered.
type landing struct {
	raft.ApplyFuture
	landed func()
}

func (l landing) Error() error {
	defer l.landed()
	return l.ApplyFuture.Error()
}

// land gives each call its share of the outcomes of the entry at an index, or all of
// them the error.
func land(group []*call, index uint64, outcomes []fsm.Outcome, err error) {
	for _, own := range group {
		n := len(own.proposals)
		switch {
		case err != nil:
			own.landed(err)
		case n > len(outcomes):
			own.landed(fmt.Errorf("the entry has %d outcomes too few", n-len(outcomes)))
		default:
			own.index = index
			own.outcomes, outcomes = outcomes[:n:n], outcomes[n:]
			own.landed(nil)
		}
	}
}
