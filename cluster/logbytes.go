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

// logSizes counts the log in bytes and entries, and tells when a snapshot is due. Raft
// counts entries alone: 8192 of them may be a megabyte or eight gigabytes, and a state of
// many tasks would be written again and again for the sake of a few. So a snapshot is due
// when the log behind the last one has as many bytes as that: what is written then is at
// most twice what the log is, and a start reads at most twice what the state is.
type logSizes struct {
	bounds logBounds
	over   chan struct{} // has a value when a snapshot is due

	mu       sync.Mutex
	since    int64    // bytes appended behind the last snapshot, under mu
	entries  uint64   // entries, likewise
	snapshot int64    // bytes of the last snapshot, under mu
	ring     []uint32 // size of entry i at i % len, for first ≤ i ≤ last; under mu
	first    uint64   // under mu
	last     uint64   // under mu
}

// logBounds say how long the log behind a snapshot gets.
type logBounds struct {
	least, most int64  // bytes, however small or large the snapshot is
	entries     uint64 // each costs a start some microseconds, however small it is
}

// newLogSizes remembers the sizes of the last entries.
func newLogSizes(bounds logBounds, remember uint64) *logSizes {
	return &logSizes{bounds: bounds, over: make(chan struct{}, 1), ring: make([]uint32, max(1, remember))}
}

func (s *logSizes) add(logs ...*raft.Log) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range logs {
		size := logBytes(l)
		s.since += size
		s.entries++
		s.ring[l.Index%uint64(len(s.ring))] = uint32(min(size, 1<<32-1))
		if l.Index > s.last+1 || l.Index < s.first || s.last == 0 {
			s.first = l.Index
		}
		s.last = l.Index
		s.first = max(s.first, s.last-min(s.last, uint64(len(s.ring))-1))
	}
	if s.due() {
		select {
		case s.over <- struct{}{}:
		default:
		}
	}
}

// due is called with mu held.
func (s *logSizes) due() bool {
	return s.entries > s.bounds.entries || s.since > min(s.bounds.most, max(s.bounds.least, s.snapshot))
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

// snapshotBegan starts the count again, behind the last entry that is in a snapshot.
func (s *logSizes) snapshotBegan(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.last - min(s.last, index)
	if index+1 < s.first && left > 0 { // not all are remembered
		s.since = int64(float64(s.since) * float64(left) / float64(max(left, s.entries)))
	} else {
		s.since = 0
		for i := s.last - left + 1; i <= s.last; i++ {
			s.since += int64(s.ring[i%uint64(len(s.ring))])
		}
	}
	s.entries = left
}

// snapshotEnded takes the size of a snapshot that is whole.
func (s *logSizes) snapshotEnded(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshot = bytes
}

func (s *logSizes) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.due()
}

func (s *logSizes) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}

// takeSnapshots takes a snapshot whenever one is due, until ctx ends.
func (n *Node) takeSnapshots(ctx context.Context, r *raft.Raft) {
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
			err := n.futures.Await(ctx, func() raft.Future { return r.Snapshot() })
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
