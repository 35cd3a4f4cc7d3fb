package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/commit"
	"muster/cluster/raftlog"
	"muster/task/wait"
)

const (
	// drainTimeout bounds the wait for Raft's last answers before it is shut down.
	drainTimeout = commit.FlightTimeout
	// shutdownTimeout bounds Raft's own end; only a disk that hangs needs it.
	shutdownTimeout = 5 * time.Second
)

// Run gets an empty disk into its cluster, runs Raft, and blocks until ctx ends
// (it returns nil) or until something breaks (it returns what). A leader hands
// leadership away first. Everything that Run started has then ended, except
// after a disk hung: nothing can interrupt a call to it, and the process must
// exit. Run can be called once.
func (n *Node) Run(ctx context.Context) error {
	if n.ran.Swap(true) {
		return errors.New("a node runs once; open the data directory again")
	}
	run, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case err := <-n.failure:
			cancel(err)
		case <-run.Done():
		}
	})
	defer watch.Wait()
	defer cancel(nil)

	err := n.belong(run)
	if err == nil {
		err = n.runRaft(run, func() bool { return failed(ctx, run) })
	}
	if closeErr := n.Close(); err == nil {
		err = closeErr
	}
	switch {
	case failed(ctx, run):
		return context.Cause(run)
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))):
		return nil
	default:
		return err
	}
}

// failed reports whether run ended because of a failure, and not with ctx.
func failed(ctx, run context.Context) bool {
	return run.Err() != nil && context.Cause(run) != context.Cause(ctx) //nolint:errorlint // the same value, or not
}

// runRaft runs Raft and everything around it until ctx ends.
func (n *Node) runRaft(ctx context.Context, failed func() bool) error {
	r, err := n.startRaft()
	if err != nil {
		return err
	}
	var loops sync.WaitGroup
	n.disk.Look()
	loops.Go(func() { n.store.Guard.Watch(ctx, n.fail) })
	loops.Go(func() { n.disk.Run(ctx) })
	loops.Go(func() { n.late.run(ctx, n.metrics.late) })
	loops.Go(func() { n.committer.Run(ctx, r) })
	loops.Go(func() { n.takeSnapshots(ctx, r) })
	loops.Go(func() { n.leadership(ctx, r) })
	loops.Go(func() { n.standEarly(ctx, r) })
	loops.Go(func() { n.comeIn(ctx, r) })
	<-ctx.Done()
	if failed() {
		return n.dropRaft(r, loops.Wait)
	}
	return n.stopRaft(r, loops.Wait)
}

// stopRaft hands leadership away and shuts Raft down.
func (n *Node) stopRaft(r *raft.Raft, loops func()) error {
	watching, done := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	defer watch.Wait()
	defer done()
	watch.Go(func() { n.store.Guard.Watch(watching, n.abandon) })
	loops()
	n.handOver(r)
	// Raft's state machine stops with entries in its queue, and their futures are
	// then never answered: see futures.
	if !n.futures.Close(drainTimeout) {
		n.logger.Warn("raft has not answered everything; shutting it down all the same")
	}
	n.barriers.wg.Wait()
	return n.shutDown(r)
}

// abandon ends what a stop would wait for in vain, because a disk hangs: Raft's
// answers, and the heartbeats by which it would keep leadership.
func (n *Node) abandon(reason error) {
	n.logger.Warn("not waiting for raft any longer", "reason", reason)
	n.closeGate()
	n.futures.GiveUp()
}

// dropRaft ends Raft after a failure. The transport goes first: the heartbeats of
// a leader whose disk hangs would keep it the leader. Without it, a leader steps
// down when its lease ends, and answers what it has in hand.
func (n *Node) dropRaft(r *raft.Raft, loops func()) error {
	n.closeGate()
	n.futures.GiveUp()
	n.futures.Close(n.cfg.Timings.Lease + commit.DropTimeout)
	err := n.shutDown(r)
	loops()
	n.barriers.wg.Wait()
	return err
}

func (n *Node) shutDown(r *raft.Raft) error {
	down := r.Shutdown()
	n.closeGate() // ends messages that wait for dead masters
	if err := wait.Within(shutdownTimeout, down.Error); err != nil {
		return fmt.Errorf("shut raft down: %w", err)
	}
	return nil
}

func (n *Node) closeGate() {
	if err := n.gate.Close(); err != nil {
		n.logger.Debug("close transport", "error", err)
	}
}

// startRaft starts Raft on the disk's state and opens the gate.
func (n *Node) startRaft() (r *raft.Raft, err error) {
	// NewRaft panics if an entry of the log is missing or if its term can't be
	// stored.
	defer func() {
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("start raft: %v", p)
		}
		if reason := n.reason.Load(); err != nil && reason != nil {
			err = *reason // Raft says less
		}
	}()
	id := n.identity.get()
	n.gate.votes.Store(id.member())
	r, err = raft.NewRaft(n.raftConfig(), n.replica, n.store.Log, n.store.Stable, n.store.Snapshots, n.gate)
	if err != nil {
		return nil, fmt.Errorf("start raft: %w", err)
	}
	n.store.Guard.RaftRuns()
	n.raft.Store(r)
	members := func() raft.Configuration { return r.GetConfiguration().Configuration() }
	n.gate.standing.members.Store(&members)
	n.gate.letIn(r, n.store.Log)
	return r, nil
}

func (n *Node) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(n.cfg.ID)
	c.HeartbeatTimeout = n.cfg.Timings.Heartbeat
	c.ElectionTimeout = n.cfg.Timings.Election
	c.LeaderLeaseTimeout = n.cfg.Timings.Lease
	c.CommitTimeout = n.cfg.Timings.Commit
	c.MaxAppendEntries = n.cfg.MaxAppendEntries
	c.SnapshotThreshold = math.MaxUint64 // takeSnapshots takes them
	c.TrailingLogs = n.cfg.TrailingLogs
	// Buffering the entries ahead of Raft's loop brought no speed, and their
	// futures are never answered when Raft stops during a stuck write.
	c.BatchApplyCh = false
	// A removed leader stays, as a follower without a vote, and says so in Ready.
	c.ShutdownOnRemove = false
	c.NoLegacyTelemetry = true
	c.Logger = raftlog.New(n.logger)
	return c
}
