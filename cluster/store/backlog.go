package store

import (
	"sync"

	"github.com/hashicorp/raft"
)

// backlogEntries is how many of the newest entries a backlog knows about.
const backlogEntries = 1 << 14

// Backlog knows which of the log's newest entries are commands. Only commands reach
// the View: an index may belong to a leader's first entry, to a barrier or to a
// configuration, and the View never shows those. And Raft's AppliedIndex counts what
// was put into the state machine's queue, not what left it. So how far the View is
// behind is the number of commands between the two.
type Backlog struct {
	mu      sync.Mutex
	command [backlogEntries / 64]uint64 // under mu; bit i % backlogEntries for entry i, first ≤ i ≤ last
	first   uint64                      // under mu
	last    uint64                      // under mu
	dropped uint64                      // under mu; the last command before first
}

// add takes entries that are in the log. One that replaces another ends the log.
func (b *Backlog) add(logs ...*raft.Log) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range logs {
		if l.Index > b.last+1 || l.Index < b.first || b.last == 0 {
			b.first = l.Index // what is before it is in a snapshot
		}
		b.last = l.Index
		for b.last-b.first >= backlogEntries {
			if b.is(b.first) {
				b.dropped = b.first
			}
			b.first++
		}
		word, bit := place(l.Index)
		b.command[word] &^= bit
		if l.Type == raft.LogCommand {
			b.command[word] |= bit
		}
	}
}

// Missing returns how many commands there are behind one index and up to another;
// entries that the log does not have yet count as commands, and entries that are too
// old to be known all count if one of them is.
func (b *Backlog) Missing(after, upTo uint64) uint64 {
	if upTo <= after {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var n uint64
	if old := min(b.dropped, upTo); old > after {
		n += old - after
	}
	if upTo > b.last {
		n += upTo - max(b.last, after)
	}
	for i := max(after+1, b.first); i <= min(upTo, b.last); i++ {
		if b.is(i) {
			n++
		}
	}
	return n
}

func (b *Backlog) is(index uint64) bool {
	word, bit := place(index)
	return b.command[word]&bit != 0
}

func place(index uint64) (word int, bit uint64) {
	i := index % backlogEntries
	return int(i / 64), 1 << (i % 64)
}
