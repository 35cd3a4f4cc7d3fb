package store

import (
	"testing"

	"github.com/hashicorp/raft"
)

func entry(index uint64, bytes int) *raft.Log {
	return &raft.Log{Index: index, Data: make([]byte, bytes-64)} // logBytes adds 64
}

func TestTrailingEntriesAreBoundedByBytes(t *testing.T) {
	s := newSizes(bounds{1 << 30, 1 << 30, 1 << 30}, 100)
	if got := s.Trailing(1000); got != 0 {
		t.Errorf("of an empty log: %d", got)
	}
	for i := uint64(1); i <= 10; i++ {
		s.add(entry(i, 100))
	}
	for _, c := range []struct {
		bytes int64
		want  uint64
	}{{99, 0}, {100, 1}, {350, 3}, {1000, 10}, {1 << 20, 10}} {
		if got := s.Trailing(c.bytes); got != c.want {
			t.Errorf("%d bytes hold %d entries; want %d", c.bytes, got, c.want)
		}
	}
	s.add(entry(8, 500)) // a new leader overwrote 8 and what follows
	if got := s.Trailing(600); got != 2 {
		t.Errorf("after the overwrite: %d; want 2", got)
	}
	s.add(entry(20, 100)) // after a snapshot: the entries between are not here
	if got := s.Trailing(1 << 20); got != 1 {
		t.Errorf("after a gap: %d; want 1", got)
	}
	for i := uint64(21); i <= 300; i++ {
		s.add(entry(i, 100))
	}
	if got := s.Trailing(1 << 20); got != 100 {
		t.Errorf("a full memory: %d; want 100", got)
	}
}

func TestAGrownLogAsksForASnapshot(t *testing.T) {
	s := newSizes(bounds{1000, 3000, 1 << 30}, 10)
	asked := func() bool {
		select {
		case <-s.over:
			return true
		default:
			return false
		}
	}
	for i := uint64(1); i <= 10; i++ {
		s.add(entry(i, 100))
	}
	if asked() {
		t.Error("asked at the bound")
	}
	s.add(entry(11, 100))
	if !asked() {
		t.Error("not asked above the bound")
	}
	s.snapshotBegan(10) // 11 is not in it
	s.add(entry(12, 150))
	if asked() || s.Bytes() != 250 {
		t.Errorf("after the snapshot: %d bytes", s.Bytes())
	}
	grow := func(bytes int64) {
		t.Helper()
		for s.Bytes()+100 <= bytes {
			s.add(entry(s.last+1, 100))
		}
		if asked() {
			t.Errorf("asked at %d bytes", s.Bytes())
		}
		if s.add(entry(s.last+1, 100)); !asked() {
			t.Errorf("not asked at %d bytes", s.Bytes())
		}
		s.snapshotBegan(s.last)
	}
	s.snapshotEnded(2000)
	grow(2000) // as long as the snapshot is
	s.snapshotEnded(100_000)
	grow(3000)
	s.snapshotEnded(1)
	grow(1000)
	s.bounds.entries = 3
	for range 3 {
		s.add(entry(s.last+1, 100))
	}
	if asked() {
		t.Error("asked at the bound of entries")
	}
	if s.add(entry(s.last+1, 100)); !asked() {
		t.Error("not asked above the bound of entries")
	}
}

// TestWhatASnapshotLacksCounts also where the log is longer than what is remembered of it.
func TestWhatASnapshotLacksCounts(t *testing.T) {
	s := newSizes(bounds{1 << 30, 1 << 30, 1 << 30}, 10)
	for i := uint64(1); i <= 100; i++ {
		s.add(entry(i, 100))
	}
	for _, c := range []struct{ index, entries, bytes uint64 }{{40, 60, 6000}, {95, 5, 500}, {100, 0, 0}, {200, 0, 0}} {
		if s.snapshotBegan(c.index); s.entries != c.entries || s.Bytes() != int64(c.bytes) {
			t.Errorf("behind %d: %d entries, %d bytes; want %d, %d", c.index, s.entries, s.Bytes(), c.entries, c.bytes)
		}
	}
}

func TestTheCacheHasTheNewestEntriesWithinItsBytes(t *testing.T) {
	c := newCache(1000)
	has := func(from, to uint64) {
		t.Helper()
		for i := uint64(1); i <= 100; i++ {
			var l raft.Log
			if got, want := c.get(i, &l), i >= from && i <= to; got != want || got && l.Index != i {
				t.Errorf("entry %d: got %v (%d), want %v", i, got, l.Index, want)
			}
		}
		var bytes int64
		for i := range c.entries {
			bytes += logBytes(&c.entries[i])
		}
		if bytes != c.bytes || bytes > c.maxBytes {
			t.Errorf("%d bytes, counted %d, at most %d", bytes, c.bytes, c.maxBytes)
		}
	}
	has(1, 0)
	for i := uint64(1); i <= 20; i++ {
		c.add([]*raft.Log{entry(i, 100)})
	}
	has(11, 20)
	c.remove(1, 12) // a snapshot was taken
	has(13, 20)
	c.remove(18, 20) // a new leader has another end
	has(13, 17)
	c.add([]*raft.Log{entry(18, 100), entry(19, 100)})
	has(13, 19)
	c.add([]*raft.Log{entry(19, 300)}) // overwritten without a removal
	has(13, 19)
	c.add([]*raft.Log{entry(50, 100)}) // a gap: after a snapshot of the leader
	has(50, 50)
	c.add([]*raft.Log{entry(51, 2000)}) // larger than the cache
	has(1, 0)
	c.add([]*raft.Log{entry(52, 100)})
	has(52, 52)
	c.remove(1, 100)
	has(1, 0)
}
