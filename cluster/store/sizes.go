package store

import (
	"sync"

	"github.com/hashicorp/raft"
)

// Sizes counts the log in bytes and entries, and tells when a snapshot is due. Raft
// counts entries alone: 8192 of them may be a megabyte or eight gigabytes, and a state of
// many tasks would be written again and again for the sake of a few. So a snapshot is due
// when the log behind the last one has as many bytes as that: what is written then is at
// most twice what the log is, and a start reads at most twice what the state is.
type Sizes struct {
	bounds bounds
	over   chan struct{} // has a value when a snapshot is due

	mu       sync.Mutex
	since    int64    // bytes appended behind the last snapshot, under mu
	entries  uint64   // entries, likewise
	snapshot int64    // bytes of the last snapshot, under mu
	ring     []uint32 // size of entry i at i % len, for first ≤ i ≤ last; under mu
	first    uint64   // under mu
	last     uint64   // under mu
}

// bounds say how long the log behind a snapshot gets.
type bounds struct {
	least, most int64  // bytes, however small or large the snapshot is
	entries     uint64 // each costs a start some microseconds, however small it is
}

// newSizes remembers the sizes of the last entries.
func newSizes(bounds bounds, remember uint64) *Sizes {
	return &Sizes{bounds: bounds, over: make(chan struct{}, 1), ring: make([]uint32, max(1, remember))}
}

func (s *Sizes) add(logs ...*raft.Log) {
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
func (s *Sizes) due() bool {
	return s.entries > s.bounds.entries || s.since > min(s.bounds.most, max(s.bounds.least, s.snapshot))
}

// Trailing returns how many of the last entries take at most so many bytes.
func (s *Sizes) Trailing(bytes int64) uint64 {
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
func (s *Sizes) snapshotBegan(index uint64) {
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

// Snapshot returns the size of the last snapshot, in bytes.
func (s *Sizes) Snapshot() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshot
}

// snapshotEnded takes the size of a snapshot that is whole.
func (s *Sizes) snapshotEnded(bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.snapshot = bytes
}

// Over has a value when a snapshot may have become due; Due tells whether it is.
func (s *Sizes) Over() <-chan struct{} { return s.over }

// Due reports whether a snapshot is due.
func (s *Sizes) Due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.due()
}

// Bytes returns how long the log behind the last snapshot is.
func (s *Sizes) Bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}
