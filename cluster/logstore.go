package cluster

import (
	"errors"
	"hash/crc32"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// logStore is Raft's log: the one on the disk, under watch, with its recent
// entries in memory and their sizes counted.
type logStore struct {
	disk    raft.LogStore
	table   *crc32.Table
	guard   *storeGuard
	cache   *logCache
	sizes   *logSizes
	metrics *metrics
}

// FirstIndex returns the first index, 0 for an empty log.
func (s *logStore) FirstIndex() (index uint64, err error) {
	err = s.guard.do("read the log's first index", func() error { index, err = s.disk.FirstIndex(); return err })
	if err != nil {
		return 0, s.guard.failed("read the log's first index", err)
	}
	return index, nil
}

// LastIndex returns the last index, 0 for an empty log.
func (s *logStore) LastIndex() (index uint64, err error) {
	err = s.guard.do("read the log's last index", func() error { index, err = s.disk.LastIndex(); return err })
	if err != nil {
		return 0, s.guard.failed("read the log's last index", err)
	}
	return index, nil
}

// GetLog reads an entry. Raft knows what to do about one that is not there, and
// panics on other errors where it applies.
func (s *logStore) GetLog(index uint64, into *raft.Log) error {
	if s.cache.get(index, into) {
		return nil
	}
	err := s.guard.do("read the log", func() error { return s.disk.GetLog(index, into) })
	if err == nil {
		err = verify(into, s.table)
	}
	switch {
	case errors.Is(err, raft.ErrLogNotFound):
		return raft.ErrLogNotFound
	case err != nil:
		return s.guard.exit("read the log", err)
	}
	if !s.guard.raftRuns.Load() { // starting: Raft reads all that is not in a snapshot
		s.sizes.add(into)
	}
	return nil
}

// StoreLog appends an entry.
func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs appends entries, with one fsync.
func (s *logStore) StoreLogs(logs []*raft.Log) error {
	start := time.Now()
	err := s.guard.do("append to the log", func() error { return s.disk.StoreLogs(summed(logs, s.table)) })
	if err != nil {
		return s.guard.failed("append to the log", err)
	}
	s.metrics.stored(time.Since(start))
	s.cache.add(logs)
	s.sizes.add(logs...)
	return nil
}

// DeleteRange removes entries from min to max.
func (s *logStore) DeleteRange(minIndex, maxIndex uint64) error {
	s.cache.remove(minIndex, maxIndex)
	err := s.guard.do("shorten the log", func() error { return s.disk.DeleteRange(minIndex, maxIndex) })
	if err != nil {
		return s.guard.failed("shorten the log", err)
	}
	return nil
}

// stableStore is where Raft keeps its term and its vote, under watch.
type stableStore struct {
	disk  raft.StableStore
	guard *storeGuard
}

// Set stores a value.
func (s *stableStore) Set(key, value []byte) error {
	err := s.guard.do("store raft's vote", func() error { return s.disk.Set(key, value) })
	if err != nil {
		return s.guard.exit("store raft's vote", err)
	}
	return nil
}

// Get returns a value. Raft compares the text of the error for a missing key.
func (s *stableStore) Get(key []byte) (value []byte, err error) {
	err = s.guard.do("read raft's state", func() error { value, err = s.disk.Get(key); return err })
	return value, s.missing(err)
}

// SetUint64 stores a number.
func (s *stableStore) SetUint64(key []byte, value uint64) error {
	err := s.guard.do("store raft's term", func() error { return s.disk.SetUint64(key, value) })
	if err != nil {
		return s.guard.exit("store raft's term", err)
	}
	return nil
}

// GetUint64 returns a number.
func (s *stableStore) GetUint64(key []byte) (value uint64, err error) {
	err = s.guard.do("read raft's state", func() error { value, err = s.disk.GetUint64(key); return err })
	return value, s.missing(err)
}

func (s *stableStore) missing(err error) error {
	if err == nil || errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return err
	}
	return s.guard.failed("read raft's state", err)
}
