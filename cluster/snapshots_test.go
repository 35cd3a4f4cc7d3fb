package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// finished returns the directories of a master's snapshots, the newest last.
func (m *master) finished() []string {
	m.w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(m.dir, snapshotsDir))
	if err != nil {
		m.w.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), unfinished) {
			names = append(names, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		p, q := positionOf(m.w.t, a), positionOf(m.w.t, b)
		return slices.Compare(p[:], q[:])
	})
	for i, name := range names {
		names[i] = filepath.Join(m.dir, snapshotsDir, name)
	}
	return names
}

// positionOf reads term, index and time from a snapshot's name.
func positionOf(t *testing.T, name string) (at [3]uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(name, "%d-%d-%d", &at[0], &at[1], &at[2]); err != nil {
		t.Fatal(err)
	}
	return at
}

// withSnapshots forms a cluster whose masters have two snapshots and little log
// behind them.
func (w *world) withSnapshots() []*master {
	w.t.Helper()
	all := w.trio()
	for _, m := range all {
		m.adjust = func(c *Config) {
			c.SnapshotThreshold, c.TrailingLogs = 10, 1
		}
		m.start(founders(all...))
	}
	w.ready(all...)
	leader := w.leader(all...)
	for _, m := range all {
		w.eventually("two snapshots of "+m.id, func() bool {
			leader.put("")
			return len(m.finished()) == 2
		})
	}
	w.level(all...)
	return all
}

// TestADamagedSnapshotIsNotUsed, and not passed over in favour of an older one:
// the log between the two is gone.
func TestADamagedSnapshotIsNotUsed(t *testing.T) {
	meta := func(change func(text string) string) func(t *testing.T, older, newest string) {
		return func(t *testing.T, _, newest string) {
			t.Helper()
			path := filepath.Join(newest, "meta.json")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(change(string(text))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	damages := map[string]struct {
		damage func(t *testing.T, older, newest string)
		says   string // empty: it starts
	}{
		"a flipped bit":       {func(t *testing.T, _, newest string) { t.Helper(); flip(t, filepath.Join(newest, "state.bin"), "1+1") }, "CRC mismatch"},
		"cut short":           {func(t *testing.T, _, newest string) { t.Helper(); truncate(t, filepath.Join(newest, "state.bin"), 100) }, "CRC mismatch"},
		"no content":          {func(t *testing.T, _, newest string) { t.Helper(); remove(t, filepath.Join(newest, "state.bin")) }, "state.bin"},
		"no description":      {func(t *testing.T, _, newest string) { t.Helper(); remove(t, filepath.Join(newest, "meta.json")) }, "meta.json"},
		"empty description":   {meta(func(string) string { return "" }), "meta.json"},
		"half a description":  {meta(func(text string) string { return text[:len(text)/2] }), "meta.json"},
		"another version":     {meta(func(text string) string { return strings.Replace(text, `"Version":1`, `"Version":7`, 1) }), "meta.json"},
		"another index":       {meta(func(text string) string { return strings.Replace(text, `"Index":`, `"Index":9`, 1) }), "meta.json"},
		"another, less index": {meta(func(text string) string { return strings.Replace(text, `"Index":`, `"Index":0,"x":`, 1) }), "meta.json"},
		"the newest is gone":  {func(t *testing.T, _, newest string) { t.Helper(); remove(t, newest) }, "what is between them is gone"},
		"all are gone":        {func(t *testing.T, older, newest string) { t.Helper(); remove(t, older); remove(t, newest) }, "what is between them is gone"},
		"only the older one":  {func(t *testing.T, older, _ string) { t.Helper(); truncate(t, filepath.Join(older, "state.bin"), 100) }, ""},
		"the older one, lost": {func(t *testing.T, older, _ string) { t.Helper(); remove(t, filepath.Join(older, "meta.json")) }, ""},
		"an unfinished one": {func(t *testing.T, _, newest string) {
			t.Helper()
			if err := os.CopyFS(newest+unfinished, os.DirFS(newest)); err != nil {
				t.Fatal(err)
			}
			truncate(t, filepath.Join(newest+unfinished, "state.bin"), 100)
		}, ""},
	}
	for name, c := range damages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				all := w.withSnapshots()
				leader := w.leader(all...)
				victim := others(all, leader)[0]
				victim.kill()
				kept := victim.finished()
				c.damage(t, kept[0], kept[1])
				err := victim.reopen()
				leader.put("the others go on")
				if c.says == "" {
					if err != nil {
						t.Fatalf("it does not start: %v", err)
					}
					w.level(all...)
					if left, _ := filepath.Glob(filepath.Join(victim.dir, snapshotsDir, "*"+unfinished)); len(left) > 0 {
						t.Errorf("an unfinished snapshot was left: %s", left)
					}
					return
				}
				expectError(t, err, c.says, victim.dir, "remove this master, move its data directory away, and let it join again with a new id")
				if victim.done != nil && victim.node.AppliedIndex() > 0 && victim.node.Ready() == nil {
					t.Error("it serves nevertheless")
				}
				// What it says to do works.
				if err := leader.node.RemoveMaster(t.Context(), victim.id); err != nil {
					t.Fatal(err)
				}
				fresh := w.master("m4")
				fresh.start(joining(leader))
				w.ready(fresh)
				w.level(append(others(all, victim), fresh)...)
			})
		})
	}
}

// TestTheNextSnapshotIsDueByTheSizeOfTheLast also after a restart.
func TestTheNextSnapshotIsDueByTheSizeOfTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		one := w.master("m1")
		one.adjust = func(c *Config) { c.MinLogBytes = 4 << 10 }
		one.start(func(c *Config) { c.Bootstrap = true })
		w.ready(one)
		fill := func() {
			for n := len(one.finished()); len(one.finished()) == n; synctest.Wait() {
				one.put("")
			}
		}
		known := func() int64 {
			return one.node.store.Sizes.Snapshot()
		}
		fill()
		fill()
		last := one.finished()[1]
		want := fileSize(t, filepath.Join(last, "state.bin"))
		if got := known(); got != want {
			t.Errorf("the last snapshot has %d bytes, and %d are known", want, got)
		}
		one.kill()
		if err := one.reopen(); err != nil {
			t.Fatal(err)
		}
		w.ready(one)
		if got := known(); got != want {
			t.Errorf("after a restart, %d bytes are known of %d", got, want)
		}
	})
}

// TestALeaderWhoseSnapshotIsDamagedStops: it could not give it to a master that
// needs it, and would try for ever.
func TestALeaderWhoseSnapshotIsDamagedStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.withSnapshots()
		leader := w.leader(all...)
		away := others(all, leader)[0]
		away.kill()
		before := leader.finished()
		w.eventually("two more snapshots", func() bool {
			leader.put("")
			now := leader.finished()
			return !slices.Contains(now, before[0]) && !slices.Contains(now, before[1])
		})
		flip(t, filepath.Join(leader.finished()[1], "state.bin"), "1+1")
		away.start(nil)
		expectError(t, leader.ends(), "read a snapshot", leader.dir, "CRC mismatch", "join again with a new id")
		w.leader(others(all, leader)...).put("x")
		w.ready(away)
		w.level(others(all, leader)...)
	})
}

// TestASnapshotThatFailsLeavesNothing: its directory would keep a full disk full.
func TestASnapshotThatFailsLeavesNothing(t *testing.T) {
	for name, limit := range map[string]int{"at its beginning": 0, "in the middle": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				m := w.alone("m1")
				m.put("x")
				store := m.node.store.Snapshots
				disk := store.Disk
				store.Disk = fullStore{disk, limit}
				if err := m.node.raft.Load().Snapshot().Error(); !errors.Is(err, errDiskFull) && !strings.Contains(err.Error(), errDiskFull.Error()) {
					t.Errorf("got %v", err)
				}
				if left, _ := os.ReadDir(filepath.Join(m.dir, snapshotsDir)); len(left) > 0 {
					t.Errorf("it left %v", left)
				}
				m.put("y") // the log has everything
				store.Disk = disk
				if err := m.node.raft.Load().Snapshot().Error(); err != nil {
					t.Error(err)
				}
				if kept := m.finished(); len(kept) != 1 {
					t.Errorf("kept: %v", kept)
				}
			})
		})
	}
}

var errDiskFull = &fs.PathError{Op: "write", Path: "state.bin", Err: errors.New("no space left on device")}
