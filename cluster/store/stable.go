package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

// Stable is where Raft keeps its term and its vote, under watch and with
// checksums.
type Stable struct {
	Disk  raft.StableStore // tests put one in between that has faults
	table *crc32.Table
	guard *Guard
}

// Set stores a value.
func (s *Stable) Set(key, value []byte) error {
	err := s.guard.do("store raft's vote", func() error { return s.Disk.Set(key, seal(key, value, s.table)) })
	if err != nil {
		return s.guard.exit("store raft's vote", err)
	}
	return nil
}

// Get returns a value. Raft compares the text of the error for a missing key.
func (s *Stable) Get(key []byte) (value []byte, err error) {
	err = s.guard.do("read raft's state", func() error { value, err = s.Disk.Get(key); return err })
	if err == nil {
		value, err = unseal(key, value, s.table)
	}
	return value, s.missing(err)
}

// SetUint64 stores a number.
func (s *Stable) SetUint64(key []byte, value uint64) error {
	sealed := seal(key, binary.BigEndian.AppendUint64(nil, value), s.table)
	err := s.guard.do("store raft's term", func() error { return s.Disk.Set(key, sealed) })
	if err != nil {
		return s.guard.exit("store raft's term", err)
	}
	return nil
}

// GetUint64 returns a number.
func (s *Stable) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	n, err := number(key, value)
	return n, s.missing(err)
}

func (s *Stable) missing(err error) error {
	if err == nil || errors.Is(err, raftboltdb.ErrKeyNotFound) {
		return err
	}
	return s.guard.failed("read raft's state", err)
}
