package cluster

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/task/wait"
)

// snapshotRetry is the pause after a snapshot that could not be taken.
const snapshotRetry = 2 * time.Second

// logSizes counts the log in bytes. Raft counts entries: a threshold of 8192
// entries may be a megabyte or eight gigabytes.
type logSizes struct {
	limit int64
	over  chan struct{} // has a value when since is above limit

	mu    sync.Mutex
	since int64    // bytes appended since the last snapshot, under mu
	ring  []uint32 // size of entry i at i % len, for first ≤ i ≤ last; under mu
	first uint64   // under mu
	last  uint64   // under mu
}

// newLogSizes counts up to limit and remembers the sizes of the last entries.
func newLogSizes(limit int64, remember uint64) *logSizes {
	return &logSizes{limit: limit, over: make(chan struct{}, 1), ring: make([]uint32, max(1, remember))}
}

func (s *logSizes) add(logs ...*raft.Log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range logs {
		size := logBytes(l)
		s.since += size
		s.ring[l.Index%uint64(len(s.ring))] = uint32(min(size, 1<<32-1))
		if l.Index > s.last+1 || l.Index < s.first || s.last == 0 {
			s.first = l.Index
		}
		s.last = l.Index
		s.first = max(s.first, s.last-min(s.last, uint64(len(s.ring))-1))
	}
	if s.since > s.limit {
		select {
		case s.over <- struct{}{}:
		default:
		}
	}
}

// trailing returns how many of the last entries take at most so many bytes.
func (s *logSizes) trailing(bytes int64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == 0 {
		return 0
	}
	var n uint64
	for i := s.last; i >= s.first && i > 0; i-- {
		bytes -= int64(s.ring[i%uint64(len(s.ring))])
		if bytes < 0 {
			break
		}
		n++
	}
	return n
}

// snapshotBegan starts the count again.
func (s *logSizes) snapshotBegan() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = 0
}

func (s *logSizes) isOver() bool { return s.bytes() > s.limit }

func (s *logSizes) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}

// snapshotBySize takes a snapshot whenever the log has grown by MaxLogBytes,
// until ctx ends.
func (n *Node) snapshotBySize(ctx context.Context, r *raft.Raft) {
	for {
		select {
		case <-n.stores.sizes.over:
		case <-ctx.Done():
			return
		}
		if !n.stores.sizes.isOver() {
			continue // another snapshot has begun since
		}
		for {
			err := n.futures.await(ctx, func() raft.Future { return r.Snapshot() })
			if err == nil || errors.Is(err, raft.ErrNothingNewToSnapshot) {
				break
			}
			if ctx.Err() != nil {
				return
			}
			// A change of the membership or a transfer of leadership is under way.
			n.logger.Info("snapshot was not taken; it will be tried again", "error", err)
			if !wait.Sleep(ctx, snapshotRetry) {
				return
			}
		}
	}
}

// boundTrailing sets how many entries stay behind the snapshot that is about to
// be taken: TrailingLogs, or what fits into MaxTrailingBytes.
func (n *Node) boundTrailing() {
	r := n.raft.Load()
	if r == nil {
		return
	}
	settings := r.ReloadableConfig()
	settings.TrailingLogs = min(n.cfg.TrailingLogs, n.stores.sizes.trailing(n.cfg.MaxTrailingBytes))
	if err := r.ReloadConfig(settings); err != nil {
		n.logger.Warn("trailing logs were not bounded", "error", err)
	}
}
