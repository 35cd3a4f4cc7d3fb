package cluster

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"muster/cluster/watch"
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

// stores are what a node has on its disk.
type stores struct {
	bolt      *raftboltdb.BoltStore
	logs      *logStore
	stable    *stableStore
	snapshots *snapshots
	guard     *storeGuard
	sizes     *logSizes
}

// openStores opens the files in dir and takes the lock on them.
func openStores(cfg *Config, m *metrics, fail func(error)) (*stores, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	bolt, err := openBolt(filepath.Join(cfg.DataDir, logFile))
	if err != nil {
		return nil, err
	}
	guard := newStoreGuard(cfg.HungStore, fail)
	sizes := newLogSizes(logBounds{least: cfg.MinLogBytes, most: cfg.MaxLogBytes, entries: cfg.SnapshotThreshold}, cfg.TrailingLogs)
	snaps, err := openSnapshots(cfg.DataDir, newRaftLogger(cfg.Logger), guard, sizes)
	if err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	var disk raft.LogStore = bolt
	if cfg.WrapLogStore != nil {
		disk = cfg.WrapLogStore(disk)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	return &stores{
		bolt:      bolt,
		logs:      &logStore{disk: disk, table: table, guard: guard, cache: newLogCache(cfg.MaxCacheBytes), sizes: sizes, backlog: new(backlog), old: &oldLog{keep: watch.WindowEvents}, metrics: m},
		stable:    &stableStore{disk: bolt, table: table, guard: guard},
		snapshots: snaps,
		guard:     guard,
		sizes:     sizes,
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

// used reports whether Raft has stored anything here.
func (s *stores) used() (bool, error) {
	used, err := raft.HasExistingState(s.logs, s.stable, s.snapshots)
	if err != nil {
		return false, fmt.Errorf("look for raft's state: %w", err)
	}
	return used, nil
}

// hasTerm reports whether Raft has ever stored a term here. It has in every
// member's log file.
func (s *stores) hasTerm() (bool, error) {
	term, err := s.stable.GetUint64([]byte("CurrentTerm"))
	if errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return false, nil
	}
	return term > 0, err
}

// close closes the files, at most in closeTimeout.
func (s *stores) close() error {
	if err := wait.Within(closeTimeout, s.bolt.Close); err != nil {
		return fmt.Errorf("close the log: %w", err)
	}
	return nil
}
