package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	backlog *backlog
	old     *oldLog
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
	case errors.Is(err, raft.ErrLogNotFound) && s.guard.raftRuns.Load():
		return raft.ErrLogNotFound
	case errors.Is(err, raft.ErrLogNotFound): // Raft starts, and reads what has to be there
		return s.guard.failed("read the log", damaged(fmt.Errorf("entry %d is not there", index)))
	case err != nil:
		return s.guard.exit("read the log", err)
	}
	if !s.guard.raftRuns.Load() { // starting: Raft reads all that is not in a snapshot
		s.sizes.add(into)
		s.backlog.add(into)
		s.old.read(into)
	}
	return nil
}

// StoreLog appends an entry.
func (s *logStore) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs appends entries, with one fsync.
func (s *logStore) StoreLogs(logs []*raft.Log) error {
	if len(logs) > 0 {
		s.old.appended(logs[0].Index)
	}
	start := time.Now()
	err := s.guard.do("append to the log", func() error { return s.disk.StoreLogs(summed(logs, s.table)) })
	if err != nil {
		return s.guard.failed("append to the log", err)
	}
	s.metrics.stored(time.Since(start))
	s.cache.add(logs)
	s.sizes.add(logs...)
	s.backlog.add(logs...)
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

// stableStore is where Raft keeps its term and its vote, under watch and with
// checksums.
type stableStore struct {
	disk  raft.StableStore
	table *crc32.Table
	guard *storeGuard
}

// Set stores a value.
func (s *stableStore) Set(key, value []byte) error {
	err := s.guard.do("store raft's vote", func() error { return s.disk.Set(key, seal(key, value, s.table)) })
	if err != nil {
		return s.guard.exit("store raft's vote", err)
	}
	return nil
}

// Get returns a value. Raft compares the text of the error for a missing key.
func (s *stableStore) Get(key []byte) (value []byte, err error) {
	err = s.guard.do("read raft's state", func() error { value, err = s.disk.Get(key); return err })
	if err == nil {
		value, err = unseal(key, value, s.table)
	}
	return value, s.missing(err)
}

// SetUint64 stores a number.
func (s *stableStore) SetUint64(key []byte, value uint64) error {
	sealed := seal(key, binary.BigEndian.AppendUint64(nil, value), s.table)
	err := s.guard.do("store raft's term", func() error { return s.disk.Set(key, sealed) })
	if err != nil {
		return s.guard.exit("store raft's term", err)
	}
	return nil
}

// GetUint64 returns a number.
func (s *stableStore) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	n, err := number(key, value)
	return n, s.missing(err)
}

func (s *stableStore) missing(err error) error {
	if err == nil || errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return err
	}
	return s.guard.failed("read raft's state", err)
}
