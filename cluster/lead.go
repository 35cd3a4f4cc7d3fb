package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/commit"
	"muster/fsm"
	"muster/task"
	"muster/task/wait"
)

const (
	// takeOverTimeout bounds what a new leader does before Lead, after it has applied
	// what was committed before.
	takeOverTimeout = 15 * time.Second
	// leadEndTimeout bounds the wait for Lead to return after leadership is lost.
	leadEndTimeout = 30 * time.Second
	// steadyAfter is how long a tenure lasts to count as a success.
	steadyAfter = 10 * time.Second
	// successorTimeout bounds the search for a follower that is alive.
	successorTimeout = time.Second
)

// office gives this node the leader's work while it is the leader: one tenure
// after the other.
//
// Changes is Raft's LeaderCh and not its NotifyCh: Raft blocks on NotifyCh, while
// LeaderCh keeps only the last change. So two trues in a row mean that
// leadership was lost and won again, in a later term, and a tenure of its own.
type office struct {
	changes <-chan bool
	work    func(ctx context.Context) error // returns nil only when ctx has ended
	// failed is called when work fails; it reports whether to work again.
	failed func(ctx context.Context, reason error, failures int) (again bool)
	stop   func(error) // stops the node
}

// tenure is one time of being the leader.
type tenure struct {
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid after done: why it ended by itself
}

// leadership does the leader's work while this node leads, until ctx ends.
func (n *Node) leadership(ctx context.Context, r *raft.Raft) {
	o := office{
		changes: r.LeaderCh(),
		work:    func(ctx context.Context) error { return n.lead(ctx, r) },
		failed: func(ctx context.Context, reason error, failures int) bool {
			return n.handAway(ctx, r, reason, failures)
		},
		stop: n.fail,
	}
	o.run(ctx, n.metrics.leaderChanges.Inc)
}

// run starts and ends tenures until ctx ends.
func (o *office) run(ctx context.Context, changed func()) {
	var t *tenure
	failures := 0
	defer func() { o.end(t) }()
	for {
		var ended <-chan struct{}
		if t != nil {
			ended = t.done
		}
		var again bool
		select {
		case <-ctx.Done():
			return
		case again = <-o.changes:
			changed()
			if !o.end(t) {
				t = nil
				return
			}
		case <-ended:
			failures++
			if time.Since(t.began) > steadyAfter {
				failures = 1
			}
			o.end(t)
			again = o.failed(ctx, t.err, failures)
		}
		t = nil
		if again {
			t = o.begin(ctx)
		}
	}
}

// begin starts a tenure.
func (o *office) begin(ctx context.Context) *tenure {
	ctx, cancel := context.WithCancel(ctx)
	t := &tenure{began: time.Now(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.err = o.work(ctx)
	}()
	return t
}

// end ends a tenure and waits for it. Work that does not end would never let the
// next leader's begin: it stops the node.
func (o *office) end(t *tenure) bool {
	if t == nil {
		return true
	}
	t.cancel()
	if !wait.For(t.done, leadEndTimeout) {
		o.stop(fmt.Errorf("the leader's work did not end within %s after leadership was lost", leadEndTimeout))
		return false
	}
	return true
}

// lead takes over and does the leader's work until ctx ends.
func (n *Node) lead(ctx context.Context, r *raft.Raft) error {
	term, err := n.takeOver(ctx, r)
	if err != nil {
		return fmt.Errorf("take over: %w", err)
	}
	n.gate.target.CompareAndSwap(0, r.CommitIndex())
	n.tookOver.Store(term)
	defer n.tookOver.Store(0)
	n.logger.Info("leading", "term", term)
	var keeping sync.WaitGroup
	keepingCtx, stopKeeping := context.WithCancel(ctx)
	keeping.Go(func() { n.keepClock(keepingCtx, r) })
	keeping.Go(func() { n.keepSpace(keepingCtx) })
	err = n.cfg.Lead(ctx, term)
	stopKeeping()
	keeping.Wait()
	if ctx.Err() != nil {
		n.logger.Info("not leading any more", "term", term)
		return nil // it was told to end, and how it did is of no interest
	}
	if err == nil {
		err = errors.New("it ended by itself")
	}
	return fmt.Errorf("lead: %w", err)
}

// takeOver returns the term once the view has everything that earlier leaders
// committed, and the registry knows this leader.
func (n *Node) takeOver(ctx context.Context, r *raft.Raft) (uint64, error) {
	term, err := n.catchUpToOwnTerm(ctx, r)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, takeOverTimeout)
	defer cancel()
	n.setClock(ctx, r)
	return term, n.tidyRegistry(ctx, r, term)
}

// catchUpToOwnTerm waits for a barrier, and returns the term that it was committed in.
// A master that has just started may have a long log to apply first. As long as it
// gets on, leadership is not handed to another, which may have as much to do.
func (n *Node) catchUpToOwnTerm(ctx context.Context, r *raft.Raft) (uint64, error) {
	for {
		term, turn := r.CurrentTerm(), n.replica.turns.n.Load()
		err := n.barriers.wait(ctx)
		slow := errors.Is(err, commit.ErrAbandoned) || errors.Is(err, raft.ErrEnqueueTimeout)
		switch {
		case err == nil && r.CurrentTerm() == term: // it was committed between the two readings
			return term, nil
		case err != nil && (!slow || ctx.Err() != nil || r.State() != raft.Leader || n.replica.turns.n.Load() == turn):
			return 0, fmt.Errorf("barrier: %w", err)
		}
	}
}

// tidyRegistry writes this leader's entry if it is missing or has changed, and
// drops entries without a member: a leader may have died in the middle of a join
// or a removal.
func (n *Node) tidyRegistry(ctx context.Context, r *raft.Raft, term uint64) error {
	var proposals []fsm.Proposal
	registry, self := n.View().Masters(), n.self()
	if !sameEntry(registry, self) {
		proposals = append(proposals, fsm.Proposal{Term: term, Command: putMaster(self)})
	}
	done, err := n.changeMembership()
	if err != nil { // a join began already; its entry has no member yet
		return n.write(ctx, proposals...)
	}
	defer done()
	members := r.GetConfiguration().Configuration()
	for _, m := range registry {
		if _, member := server(members, m.ID); !member {
			proposals = append(proposals, fsm.Proposal{Term: term, Command: fsm.RemoveMaster{ID: m.ID}})
		}
	}
	return n.write(ctx, proposals...)
}

// write commits changes of the registry. That an entry to be removed is gone
// already is as good.
func (n *Node) write(ctx context.Context, proposals ...fsm.Proposal) error {
	outcomes, err := n.Propose(ctx, proposals...)
	if err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.Err != nil && o.Err.Code != task.CodeMasterNotFound {
			return o.Err
		}
	}
	return nil
}

// handAway gives leadership to another master because the work failed here. If
// that does not succeed, or there is no other, the work is to be tried again,
// after a pause.
func (n *Node) handAway(ctx context.Context, r *raft.Raft, reason error, failures int) (again bool) {
	if r.State() != raft.Leader {
		return false // lost meanwhile; LeaderCh says so
	}
	n.logger.Warn("the leader's work failed; handing leadership away", "reason", reason)
	if n.transfer(ctx, r) {
		return false
	}
	return wait.Sleep(ctx, backoff(failures)) && r.State() == raft.Leader
}

// handOver gives leadership away at a shutdown, so that the others need not wait
// for an election.
func (n *Node) handOver(r *raft.Raft) {
	if r.State() != raft.Leader {
		return
	}
	if what, hangs := n.store.Guard.Hanging(successorTimeout); hangs {
		n.logger.Warn("leadership can't be handed over: the disk does not answer", "call", what)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), successorTimeout+2*n.cfg.Timings.Election)
	defer cancel()
	n.transfer(ctx, r)
}

// transfer hands leadership to the best follower that answers. It must answer: while
// Raft waits for a dead one, it takes no entries.
func (n *Node) transfer(ctx context.Context, r *raft.Raft) bool {
	to, ok := n.successor(ctx, r, func(Hello) bool { return true })
	return ok && n.transferTo(ctx, r, to)
}

func (n *Node) transferTo(ctx context.Context, r *raft.Raft, to raft.Server) bool {
	err := n.futures.Await(ctx, func() raft.Future { return r.LeadershipTransferToServer(to.ID, to.Address) })
	if err != nil {
		n.logger.Info("leadership was not handed over", "to", to.ID, "reason", err)
	}
	return err == nil
}

// successor finds the voter that is best to lead next, among those that may: one that
// is ready, then one whose disk is not low, then the one that has applied the most.
func (n *Node) successor(ctx context.Context, r *raft.Raft, may func(Hello) bool) (raft.Server, bool) {
	ctx, cancel := context.WithTimeout(ctx, successorTimeout)
	defer cancel()
	voters := slices.DeleteFunc(n.askVoters(ctx, r), func(a answer) bool { return !may(a.hello) })
	if len(voters) == 0 {
		return raft.Server{}, false
	}
	best := slices.MaxFunc(voters, func(a, b answer) int {
		return cmp.Or(
			compareBools(a.hello.Ready, b.hello.Ready),
			compareBools(!a.hello.DiskLow, !b.hello.DiskLow),
			cmp.Compare(a.hello.AppliedIndex, b.hello.AppliedIndex),
		)
	})
	return best.server, true
}

// compareBools orders false before true.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
