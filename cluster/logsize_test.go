package cluster

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"muster/fsm"
	"muster/task"
)

// TestLargeTasksDoNotGrowTheLog writes many times more than the log may hold and
// watches its file. The file never shrinks. What it holds at once are the entries
// since the last snapshot, those that came while that was written, and those kept
// behind it; bbolt needs as much again to move its pages, and grows in steps.
func TestLargeTasksDoNotGrowTheLog(t *testing.T) {
	const (
		large   = 64 << 10
		maxLog  = 1 << 20
		written = 16 * maxLog
		bound   = 8 * maxLog
	)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		for _, m := range all {
			m.adjust = func(c *Config) {
				c.MaxLogBytes, c.MaxTrailingBytes, c.MaxCacheBytes = maxLog, maxLog/4, maxLog/4
			}
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		big := strings.Repeat("1+", large/2) + "1"
		for done := 0; done < written; done += large {
			// Repeats of one key: the log grows, and the state does not.
			_, err := leader.node.Propose(context.Background(), fsm.Proposal{Command: fsm.SubmitTask{
				Key: "one", Spec: task.Spec{Kind: task.KindExpression, Expression: big, MaxTries: 1, TimeoutMS: 1, Idempotent: true},
			}})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range all {
				if size := fileSize(t, filepath.Join(m.dir, logFile)); size > bound {
					t.Fatalf("after %d bytes, the log's file of %s has %d; at most %d", done, m.id, size, bound)
				}
				if cached := m.node.store.Log.Cached(); cached > maxLog/4 {
					t.Fatalf("after %d bytes, %s has %d cached; at most %d", done, m.id, cached, maxLog/4)
				}
			}
		}
		w.level(all...)
		if got := leader.node.View().Counts().Submitted; got != 1 {
			t.Errorf("%d tasks", got)
		}
		for _, m := range all {
			if n := snapshotsIn(t, m.dir); n == 0 || n > keptSnapshots {
				t.Errorf("%s keeps %d snapshots", m.id, n)
			}
		}
	})
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func snapshotsIn(t *testing.T, dir string) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "snapshots", "*", "state.bin"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
