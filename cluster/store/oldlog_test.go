package store

import (
	"slices"
	"testing"

	"github.com/hashicorp/raft"

	"muster/fsm"
)

// logOf returns entries that submit tasks, so many in each, from index 1 on.
func logOf(t *testing.T, entries, commands int) []*raft.Log {
	t.Helper()
	data, err := fsm.Encode(fsm.Envelope{Proposals: slices.Repeat([]fsm.Proposal{{Command: fsm.CancelTask{ID: 1}}}, commands)})
	if err != nil {
		t.Fatal(err)
	}
	var logs []*raft.Log
	for i := range entries {
		logs = append(logs, &raft.Log{Index: uint64(i + 1), Term: 1, Data: data})
	}
	return logs
}

// TestALongLogIsReplayedButForItsNewestCommands, whose events the window has room for.
func TestALongLogIsReplayedButForItsNewestCommands(t *testing.T) {
	logs := logOf(t, 12, 3)
	logs[9].Type = raft.LogNoop
	for name, c := range map[string]struct {
		keep  int
		read  []*raft.Log
		until uint64
	}{
		"the rest just suffices":        {9, logs, 8},
		"one command more is kept":      {10, logs, 7},
		"as many as there are":          {33, logs, 0},
		"more than there are":           {99, logs, 0},
		"the last entry was read first": {9, append([]*raft.Log{logs[11]}, logs...), 8},
		"an entry that suffices alone":  {3, logs, 11},
		"nothing":                       {9, nil, 0},
	} {
		o := NewOldLog(c.keep)
		for _, l := range c.read {
			o.Read(l)
		}
		if o.Until() != c.until || !o.Covers(c.until) || o.Covers(c.until+1) {
			t.Errorf("%s: entries up to %d are replayed; want %d", name, o.Until(), c.until)
		}
	}
}
