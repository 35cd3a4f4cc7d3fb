package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/hashicorp/raft"
)

// Log is Raft's log: the one on the disk, under watch, with its recent
// entries in memory and their sizes counted.
type Log struct {
	disk   raft.LogStore
	table  *crc32.Table
	guard  *Guard
	cache  *cache
	sizes  *Sizes
	stored func(time.Duration)

	Backlog *Backlog // which of its entries are commands
	Old     *OldLog  // what is replayed of it
}

// FirstIndex returns the first index, 0 for an empty log.
func (s *Log) FirstIndex() (index uint64, err error) {
	err = s.guard.do("read the log's first index", func() error { index, err = s.disk.FirstIndex(); return err })
	if err != nil {
		return 0, s.guard.failed("read the log's first index", err)
	}
	return index, nil
}

// LastIndex returns the last index, 0 for an empty log.
func (s *Log) LastIndex() (index uint64, err error) {
	err = s.guard.do("read the log's last index", func() error { index, err = s.disk.LastIndex(); return err })
	if err != nil {
		return 0, s.guard.failed("read the log's last index", err)
	}
	return index, nil
}

// GetLog reads an entry. Raft knows what to do about one that is not there, and
// panics on other errors where it applies.
func (s *Log) GetLog(index uint64, into *raft.Log) error {
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
		s.Backlog.add(into)
		s.Old.Read(into)
	}
	return nil
}

// StoreLog appends an entry.
func (s *Log) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs appends entries, with one fsync.
func (s *Log) StoreLogs(logs []*raft.Log) error {
	if len(logs) > 0 {
		s.Old.appended(logs[0].Index)
	}
	start := time.Now()
	err := s.guard.do("append to the log", func() error { return s.disk.StoreLogs(summed(logs, s.table)) })
	if err != nil {
		return s.guard.failed("append to the log", err)
	}
	s.stored(time.Since(start))
	s.cache.add(logs)
	s.sizes.add(logs...)
	s.Backlog.add(logs...)
	return nil
}

// DeleteRange removes entries from min to max.
func (s *Log) DeleteRange(minIndex, maxIndex uint64) error {
	s.cache.remove(minIndex, maxIndex)
	err := s.guard.do("shorten the log", func() error { return s.disk.DeleteRange(minIndex, maxIndex) })
	if err != nil {
		return s.guard.failed("shorten the log", err)
	}
	return nil
}

// Cached returns how many bytes of entries are kept in memory.
func (s *Log) Cached() int64 {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	return s.cache.bytes
}
