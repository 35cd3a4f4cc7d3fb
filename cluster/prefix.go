package cluster

import (
	"errors"

	"github.com/hashicorp/raft"
)

// A follower whose answers did not arrive for a while may have applied, and
// dropped from its log, entries that its leader believes it lacks. All masters
// agree on what is applied; but hashicorp/raft compares with the log alone, finds
// nothing there, and has the leader go back entry by entry, to a snapshot that is
// older than the follower, again and again.

// withoutApplied returns the message as if it began behind what is applied here,
// if it begins where the log does not any more.
func (g *gate) withoutApplied(m *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	applied := g.raft.Load().AppliedIndex()
	if m.PrevLogEntry == 0 || m.PrevLogEntry >= applied {
		return m
	}
	if err := g.raft.Load().logs.GetLog(m.PrevLogEntry, new(raft.Log)); !errors.Is(err, raft.ErrLogNotFound) {
		return m
	}
	short := *m // in memory, the message is the sender's own
	short.Entries = nil
	var last raft.Log
	found := g.raft.Load().logs.GetLog(applied, &last) == nil
	for i, e := range m.Entries {
		if e.Index == applied {
			last, found = *e, true
		}
		if e.Index > applied {
			short.Entries = m.Entries[i:]
			break
		}
	}
	if !found {
		return m
	}
	short.PrevLogEntry, short.PrevLogTerm = applied, last.Term
	return &short
}
