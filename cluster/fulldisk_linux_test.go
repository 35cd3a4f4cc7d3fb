package cluster

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"muster/cluster/store"
	"muster/fsm"
	"muster/systemtest/timelimit"
	"muster/task"
)

// smallDisk mounts a file system of its own, of so many bytes. It needs root; a
// test without it is skipped, except where everything has to run.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("muster-test", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") == "true" || !errors.Is(err, fs.ErrPermission) {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("a full disk is not tested: mounting one needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}

// TestAFullDisk fills disks, for real. The first leader's: it hands leadership to one
// that has space, and no task is refused. All of them: the leader takes no new tasks
// and still takes results; when nothing fits at all it stops and another leads; with
// space again it comes back from its files, with all that was acknowledged.
func TestAFullDisk(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	for _, m := range all {
		m.dir = smallDisk(t, "64m")
		m.adjust = func(c *Config) { c.MinFreeDisk = 8 << 20 }
		m.start(founders(all...))
	}
	w.ready(all...)
	leader := w.leader(all...)
	place := fsm.Place{Slave: "s", Incarnation: "i"}
	register := fsm.RegisterSlave{Registration: task.Registration{Name: "s", URL: "http://s", Slots: 9, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}}}}
	if _, err := leader.node.Propose(t.Context(), fsm.Proposal{Command: register}); err != nil {
		t.Fatal(err)
	}
	running := submit("running").Command.(fsm.SubmitTask)
	running.Assign = &place
	outcomes, err := leader.node.Propose(t.Context(), fsm.Proposal{Command: running})
	if err != nil || outcomes[0].Err != nil {
		t.Fatal(err, outcomes)
	}
	id := leader.put("before")

	fill(t, leader.dir, filepath.Join(leader.dir, "ballast"), 6<<20)
	w.eventually("a master that has space leads", func() bool {
		_, refusal := w.leader(all...).node.Propose(t.Context(), submit("with space"))
		if codeOf(refusal) == task.CodeDiskLow {
			t.Fatalf("refused, although others have space: %v", refusal)
		}
		return !leader.node.IsLeader()
	})
	for _, m := range others(all, leader) {
		fill(t, m.dir, filepath.Join(m.dir, "ballast"), 6<<20)
	}
	w.eventually("every disk is seen to be low", func() bool {
		leader = w.leader(all...) // it may hand over as long as another seems to have space
		_, refusal := leader.node.Propose(t.Context(), submit("too much"))
		return codeOf(refusal) == task.CodeDiskLow
	})
	ballast := filepath.Join(leader.dir, "ballast")
	done := fsm.CompleteTask{
		Attempt: task.Attempt{ID: 1, Attempt: 1, Slave: "s", Incarnation: "i"},
		Result:  task.Result{ID: 1, Attempt: 1, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: "2"}},
	}
	if outcomes, err = leader.node.Propose(t.Context(), fsm.Proposal{Command: done}); err != nil || outcomes[0].Err != nil {
		t.Fatalf("a result, on a disk that is low: %v, %v", err, outcomes)
	}

	fill(t, leader.dir, ballast+"2", 0)
	register.Registration.URL = "http://elsewhere-" + string(bytes.Repeat([]byte("x"), 1500))
	for range 2000 { // until no free page of the log's file is left
		register.Registration.Slots = register.Registration.Slots%9 + 1
		if _, err := leader.node.Propose(t.Context(), fsm.Proposal{Command: register}); err != nil {
			break
		}
	}
	expectError(t, leader.ends(), "no space left on device")
	for _, m := range all {
		if err := os.Remove(filepath.Join(m.dir, "ballast")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(ballast + "2"); err != nil {
		t.Fatal(err)
	}
	rest := others(all, leader)
	w.eventually("the rest have space", func() bool {
		return !rest[0].node.Hello().DiskLow && !rest[1].node.Hello().DiskLow
	})
	after := w.leader(rest...).put("after")

	leader.start(nil)
	w.ready(leader)
	w.level(all...)
	for _, want := range []task.ID{1, id, after} {
		if _, ok := leader.node.View().Task(want); !ok {
			t.Errorf("task %d is gone", want)
		}
	}
	if x, _ := leader.node.View().Task(1); x.Status != task.Done {
		t.Errorf("the result that was taken is gone: %+v", x)
	}
}

// fill leaves so many bytes free.
func fill(t *testing.T, dir, name string, leave uint64) {
	t.Helper()
	free, err := store.FreeDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for deadline := time.Now().Add(timelimit.Usual(t)); free > leave && time.Now().Before(deadline); {
		n, err := f.Write(block[:min(uint64(len(block)), free-leave)])
		free -= uint64(n)
		if errors.Is(err, syscall.ENOSPC) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
