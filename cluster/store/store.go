package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"muster/cluster/raftlog"
	"muster/task/wait"
)

const (
	logFile = "raft.db"
	// lockTimeout is how long to wait for the lock of the log's file. Without
	// one, a second process on the directory would hang for ever.
	lockTimeout = time.Second
	// closeTimeout bounds the closing of files on a disk that may hang.
	closeTimeout = 5 * time.Second
)

// Store is what a master has on its disk, for Raft, and what is known of it.
type Store struct {
	Log       *Log
	Stable    *Stable
	Snapshots *Snapshots
	Guard     *Guard
	Sizes     *Sizes

	bolt *raftboltdb.BoltStore
}

// Config is what a Store has to know. All fields but WrapLogStore are required.
type Config struct {
	Dir       string
	HungStore time.Duration // how long a write may take before Fail is called

	MinLogBytes, MaxLogBytes int64  // of the log behind a snapshot, see Sizes
	SnapshotThreshold        uint64 // its entries
	TrailingLogs             uint64 // entries whose sizes are remembered
	MaxCacheBytes            int64  // recent entries kept in memory
	KeepCommands             int    // of the log at the start; what is older is replayed, see OldLog

	// WrapLogStore puts something between this and the log's file; may be nil.
	WrapLogStore func(raft.LogStore) raft.LogStore

	Logger *slog.Logger
	Stored func(time.Duration) // how long it took to append to the log
	// Configuration takes in the configuration of every snapshot that begins.
	Configuration func(index uint64, c raft.Configuration)
	Fail          func(error) // stops the node
}

// Open opens the files in a directory, which it makes if need be, and takes the lock on
// them.
func Open(cfg Config) (*Store, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	bolt, err := openBolt(filepath.Join(cfg.Dir, logFile))
	if err != nil {
		return nil, err
	}
	guard := newGuard(cfg.HungStore, cfg.Fail)
	sizes := newSizes(bounds{least: cfg.MinLogBytes, most: cfg.MaxLogBytes, entries: cfg.SnapshotThreshold}, cfg.TrailingLogs)
	snaps, err := openSnapshots(cfg.Dir, raftlog.New(cfg.Logger), guard, sizes)
	if err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	snaps.configuration = cfg.Configuration
	var disk raft.LogStore = bolt
	if cfg.WrapLogStore != nil {
		disk = cfg.WrapLogStore(disk)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	return &Store{
		bolt: bolt,
		Log: &Log{
			disk: disk, table: table, guard: guard, cache: newCache(cfg.MaxCacheBytes), sizes: sizes,
			Backlog: new(Backlog), Old: NewOldLog(cfg.KeepCommands), stored: cfg.Stored,
		},
		Stable:    &Stable{Disk: bolt, table: table, guard: guard},
		Snapshots: snaps,
		Guard:     guard,
		Sizes:     sizes,
	}, nil
}

// openBolt opens the file of Raft's log. FreelistMap and NoFreelistSync keep
// commits fast when the log was shortened and the file has many free pages; the
// free list is rebuilt at the next open. Never NoSync: an acknowledged entry is
// on the disk.
func openBolt(path string) (bolt *raftboltdb.BoltStore, err error) {
	defer func() {
		if errors.Is(err, berrors.ErrTimeout) {
			err = errors.New("another process has it open; a data directory is for one master: stop the one that runs on it, or give this one a directory of its own")
		}
		if err != nil {
			bolt = nil
		}
		if _, named := errors.AsType[*os.PathError](err); err != nil && !named {
			err = fmt.Errorf("open %s: %w", path, err)
		}
	}()
	if err := checkPages(path); err != nil {
		return nil, err
	}
	return raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout:        lockTimeout,
			FreelistType:   bbolt.FreelistMapType,
			NoFreelistSync: true,
		},
	})
}

// Used reports whether Raft has stored anything here.
func (s *Store) Used() (bool, error) {
	used, err := raft.HasExistingState(s.Log, s.Stable, s.Snapshots)
	if err != nil {
		return false, fmt.Errorf("look for raft's state: %w", err)
	}
	return used, nil
}

// HasTerm reports whether Raft has ever stored a term here. It has in every
// member's log file.
func (s *Store) HasTerm() (bool, error) {
	term, err := s.Stable.GetUint64([]byte("CurrentTerm"))
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return false, nil
	}
	return term > 0, err
}

// Close closes the files, at most in closeTimeout.
func (s *Store) Close() error {
	if err := wait.Within(closeTimeout, s.bolt.Close); err != nil {
		return fmt.Errorf("close the log: %w", err)
	}
	return nil
}
