package store

import (
	"sync"

	"github.com/hashicorp/raft"
)

// cache has the newest entries of the log in memory, for followers that are
// a little behind. Raft's own cache counts entries, whatever their size; this one
// counts bytes too.
type cache struct {
	maxBytes   int64
	maxEntries int

	mu      sync.RWMutex
	entries []raft.Log // of consecutive indexes, under mu
	bytes   int64      // of entries, under mu
}

func newCache(maxBytes int64) *cache {
	return &cache{maxBytes: maxBytes, maxEntries: 4096}
}

// logBytes is about what an entry takes.
func logBytes(l *raft.Log) int64 { return int64(len(l.Data)+len(l.Extensions)) + 64 }

// get copies an entry, if it is there.
func (c *cache) get(index uint64, into *raft.Log) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.entries) == 0 || index < c.entries[0].Index || index-c.entries[0].Index >= uint64(len(c.entries)) {
		return false
	}
	*into = c.entries[index-c.entries[0].Index]
	return true
}

// add takes entries that are on the disk.
func (c *cache) add(logs []*raft.Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range logs {
		c.cut(l.Index)
		if n := len(c.entries); n > 0 && c.entries[n-1].Index+1 != l.Index {
			c.entries, c.bytes = nil, 0
		}
		c.entries = append(c.entries, *l)
		c.bytes += logBytes(l)
	}
	for len(c.entries) > 0 && (c.bytes > c.maxBytes || len(c.entries) > c.maxEntries) {
		c.dropFirst()
	}
}

// remove forgets the entries from first to last.
func (c *cache) remove(first, last uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.entries) == 0 || c.entries[len(c.entries)-1].Index < first {
		return
	}
	if c.entries[0].Index < first {
		c.cut(first) // a suffix: Raft never removes from the middle
		return
	}
	for len(c.entries) > 0 && c.entries[0].Index <= last {
		c.dropFirst()
	}
}

// cut forgets the entries from index on.
func (c *cache) cut(index uint64) {
	for n := len(c.entries); n > 0 && c.entries[n-1].Index >= index; n-- {
		c.bytes -= logBytes(&c.entries[n-1])
		c.entries[n-1] = raft.Log{}
		c.entries = c.entries[:n-1]
	}
}

func (c *cache) dropFirst() {
	c.bytes -= logBytes(&c.entries[0])
	c.entries[0] = raft.Log{} // the array lives on until append moves it
	c.entries = c.entries[1:]
}
