package store

import (
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"muster/fsm"
)

// OldLog tells how much of the log that is on the disk at the start is replayed, that
// is, applied as if it came from a snapshot: without events, which the window would soon
// drop again, and without outcomes, for which nobody waits. What is left are the newest
// entries, with as many commands as the window holds events.
type OldLog struct {
	keep  int           // commands
	until atomic.Uint64 // the last entry that is replayed, a command; 0 for none

	mu       sync.Mutex
	entries  []oldEntry // under mu; of commands, those that are kept, and at first all
	commands int        // under mu; of entries
	last     uint64     // under mu; the last index that was read
}

// NewOldLog returns one that keeps entries with so many commands.
func NewOldLog(keep int) *OldLog { return &OldLog{keep: keep} }

// Until returns the last entry that is replayed; 0 for none.
func (o *OldLog) Until() uint64 { return o.until.Load() }

type oldEntry struct {
	index    uint64
	commands int
}

// Read takes an entry that is on the disk at the start. Raft reads the last one first,
// and then all in their order.
func (o *OldLog) Read(l *raft.Log) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.Index != o.last+1 {
		o.entries, o.commands = nil, 0
		o.until.Store(0)
	}
	o.last = l.Index
	if l.Type != raft.LogCommand {
		return
	}
	o.entries = append(o.entries, oldEntry{l.Index, fsm.CountCommands(l.Data)})
	o.commands += o.entries[len(o.entries)-1].commands
	for o.commands-o.entries[0].commands >= o.keep {
		o.commands -= o.entries[0].commands
		o.until.Store(o.entries[0].index)
		o.entries = o.entries[1:]
	}
}

// appended takes the index of an entry that is appended. Entries that were never
// committed may be replaced, and what replaces them may be proposals of this master.
func (o *OldLog) appended(index uint64) {
	if index <= o.until.Load() {
		o.until.Store(0)
	}
}

// Covers reports whether an entry is replayed.
func (o *OldLog) Covers(index uint64) bool { return o != nil && index <= o.until.Load() }

// GoesOn reports whether Raft will certainly hand over more entries that are replayed.
func (o *OldLog) GoesOn(index uint64, committed func() uint64) bool {
	if o == nil {
		return false
	}
	until := o.until.Load()
	return index < until && until <= committed()
}
