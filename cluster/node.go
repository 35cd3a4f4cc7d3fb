package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"muster/cluster/commit"
	"muster/cluster/store"
	"muster/cluster/watch"
	"muster/fsm"
	"muster/task"
)

// Node is one master's Raft node. All methods are safe for concurrent use, and
// those that read work before Run, on an empty view.
type Node struct {
	watch.Reader // of hub

	cfg      Config
	logger   *slog.Logger
	metrics  *metrics
	identity *identityStore
	store    *store.Store
	gate     *gate
	replica  *replica
	hub      *watch.Hub
	disk     *store.Space
	space    *spaceKeeper
	clock    *clock

	committer  *commit.Committer
	barriers   *barriers
	futures    *commit.Futures
	late       lateness
	asked      turns         // odd while a question to Raft's main loop is open
	membership chan struct{} // holds a value while a change of the membership is under way

	raft atomic.Pointer[raft.Raft] // nil until it runs
	ran  atomic.Bool
	// tookOver is the last term that this node led with a view of everything that
	// earlier leaders had committed.
	tookOver atomic.Uint64
	failure  chan error            // the first reason to stop
	reason   atomic.Pointer[error] // the same, to look at

	closing    sync.Once
	unregister func() // takes the metrics back
}

// Open opens the data directory, locks it, and checks that it is this master's.
// On success the node owns the transport; Run or Close ends what Open began.
func Open(cfg Config) (*Node, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg:        cfg,
		logger:     cfg.Logger.With("master", cfg.ID),
		metrics:    newMetrics(),
		futures:    commit.NewFutures(),
		membership: make(chan struct{}, 1),
		failure:    make(chan error, 1),
		unregister: func() {},
	}
	n.cfg.Logger = n.logger
	var err error
	if n.store, err = n.openStore(); err != nil {
		return nil, store.Advised(err)
	}
	if n.identity, err = n.openIdentity(); err != nil {
		return nil, errors.Join(store.Advised(err), n.store.Close())
	}
	n.assemble()
	if n.unregister, err = register(cfg.Metrics, n.collectors()); err != nil {
		return nil, errors.Join(err, n.store.Close())
	}
	n.gate = newGate(cfg.Transport)
	cfg.Transport.introduce(introduction{id: cfg.ID, apiURL: cfg.APIURL, cluster: n.clusterID, elsewhere: n.elsewhere, outlook: n.outlook})
	return n, nil
}

func (n *Node) openStore() (*store.Store, error) {
	return store.Open(store.Config{
		Dir: n.cfg.DataDir, HungStore: n.cfg.HungStore,
		MinLogBytes: n.cfg.MinLogBytes, MaxLogBytes: n.cfg.MaxLogBytes, SnapshotThreshold: n.cfg.SnapshotThreshold,
		TrailingLogs: n.cfg.TrailingLogs, MaxCacheBytes: n.cfg.MaxCacheBytes, KeepCommands: watch.WindowEvents,
		WrapLogStore: n.cfg.WrapLogStore, Logger: n.logger, Stored: n.metrics.stored, Configuration: n.sawConfiguration, Fail: n.fail,
	})
}

// clusterID returns the cluster that this disk belongs to or asks to join; empty
// for none.
func (n *Node) clusterID() string {
	id := n.identity.get()
	if id.ClusterID == "" && id.Joining != nil {
		return id.Joining.ClusterID
	}
	return id.ClusterID
}

// openIdentity reads whose directory this is, or makes it this master's if it
// was never used. The log's file is locked by now, so nobody else does the same.
func (n *Node) openIdentity() (*identityStore, error) {
	id, found, err := loadIdentity(n.cfg.DataDir)
	if err != nil {
		return nil, err
	}
	if found && id.ID != n.cfg.ID {
		return nil, fmt.Errorf("data directory %s belongs to master %q, not to %q; give each master a directory of its own", n.cfg.DataDir, id.ID, n.cfg.ID)
	}
	if !found {
		used, err := n.store.Used()
		if err != nil {
			return nil, err
		}
		if used {
			return nil, fmt.Errorf("data directory %s has a log but no %s, so it is not known whose it is; restore the file, or empty the directory and join with a new id", n.cfg.DataDir, identityFile)
		}
		if err := task.CheckName(n.cfg.ID); err != nil {
			return nil, fmt.Errorf("the master's id %w", err)
		}
		id = newIdentity(n.cfg.ID)
		if err := writeIdentity(n.cfg.DataDir, id); err != nil {
			return nil, err
		}
	}
	return &identityStore{dir: n.cfg.DataDir, current: id}, nil
}

// assemble builds the parts that need no disk.
func (n *Node) assemble() {
	state := fsm.New()
	n.clock = new(clock)
	n.hub = watch.NewHub(state.View())
	n.Reader = n.hub.Reader()
	n.replica = &replica{
		state: state, old: n.store.Log.Old, committed: n.commitIndex, hub: n.hub, fail: n.fail, metrics: n.metrics, stamped: n.clock.advance,
		configuration: n.sawConfiguration, snapshotting: n.boundTrailing,
	}
	n.disk = &store.Space{Dir: n.cfg.DataDir, Min: n.cfg.MinFreeDisk, Free: n.cfg.FreeDisk, Logger: n.logger}
	n.space = &spaceKeeper{disk: n.disk, leads: n.IsLeader, handOver: func(ctx context.Context) (tried, handed bool) { return n.handOverForSpace(ctx, n.raft.Load()) }}
	n.committer = commit.New(commit.Config{
		Encode: fsm.Encode, Stamp: n.clock.now, Admit: n.mayPropose, OtherLeader: n.otherLeaderURL, Futures: n.futures,
	})
	n.barriers = &barriers{start: n.raftBarrier}
}

// commitIndex returns Raft's commit index, 0 before Raft runs.
func (n *Node) commitIndex() uint64 {
	if r := n.raft.Load(); r != nil {
		return r.CommitIndex()
	}
	return 0
}

// fail stops the node because of err. The first reason is the one that Run
// returns. It never blocks.
func (n *Node) fail(err error) {
	n.reason.CompareAndSwap(nil, &err)
	select {
	case n.failure <- err:
	default:
	}
}

// Close releases what Open took, for a node that is not run; Run does it itself.
func (n *Node) Close() error {
	var err error
	n.closing.Do(func() {
		n.unregister()
		err = errors.Join(n.gate.Close(), n.store.Close())
	})
	return err
}
