package store

import (
	"testing"

	"github.com/hashicorp/raft"
)

// entries returns log entries from an index on, of these types: c is a command, n a
// leader's first entry, b a barrier.
func entries(first uint64, types string) []*raft.Log {
	var logs []*raft.Log
	for i, c := range types {
		kind := map[rune]raft.LogType{'c': raft.LogCommand, 'n': raft.LogNoop, 'b': raft.LogBarrier}[c]
		logs = append(logs, &raft.Log{Index: first + uint64(i), Type: kind})
	}
	return logs
}

func TestABacklogCountsTheCommandsThatAreNotShown(t *testing.T) {
	var b Backlog
	b.add(entries(101, "ccnbbc")...) // 101 … 106, behind a snapshot
	for _, x := range []struct{ after, upTo, want uint64 }{
		{100, 106, 3},
		{102, 105, 0}, // the View never shows an index of what is no command
		{102, 106, 1},
		{106, 106, 0},
		{105, 110, 5}, // four are not in the log yet
		{110, 106, 0},
	} {
		if got := b.Missing(x.after, x.upTo); got != x.want {
			t.Errorf("from %d to %d: %d are missing, want %d", x.after, x.upTo, got, x.want)
		}
	}
	b.add(entries(105, "n")...) // another leader's, which ends the log
	if got := b.Missing(102, 106); got != 1 {
		t.Errorf("%d are missing, want the one that is not in the log any more", got)
	}
	b.add(entries(106, "b")...)
	if got := b.Missing(102, 106); got != 0 {
		t.Errorf("%d are missing, but the command was replaced", got)
	}
	b.add(entries(301, "b")...) // a snapshot lies between
	if got := b.Missing(300, 301); got != 0 {
		t.Errorf("%d are missing behind the snapshot", got)
	}
}

func TestABacklogDoesNotForgetThatOldCommandsAreMissing(t *testing.T) {
	var b Backlog
	b.add(entries(1, "cc")...)
	for i := uint64(3); i <= 2*backlogEntries; i++ {
		b.add(entries(i, "b")...)
	}
	if got := b.Missing(1, 2*backlogEntries); got == 0 {
		t.Error("command 2 is missing, and not counted")
	}
	if got := b.Missing(2, 2*backlogEntries); got != 0 {
		t.Errorf("%d are missing among barriers", got)
	}
}
