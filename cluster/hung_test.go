package cluster

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/fsm"
)

// TestAFollowerWhoseDiskHangsStops: the others don't wait for it, and it does not
// stay a member that looks alive.
func TestAFollowerWhoseDiskHangsStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.trio()
		logs := map[*master]*faultyLog{}
		for _, m := range all {
			logs[m] = withFaults(m)
			m.start(founders(all...))
		}
		w.ready(all...)
		leader := w.leader(all...)
		w.eventually("all in the registry", func() bool { return len(leader.node.View().Masters()) == 3 })
		w.level(all...)
		follower, term := others(all, leader)[0], leader.node.Term()
		release := make(chan struct{})
		logs[follower].hang.Store(&release)
		begin := time.Now()
		leader.put("the others go on")
		if took := time.Since(begin); took > time.Second {
			t.Errorf("a write took %s", took)
		}
		expectError(t, follower.ends(), "append to the log", "has not answered for 10s", "stops so that another can lead")
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("it stopped after %s", took)
		}
		leader.put("and on")
		if leader.node.Term() != term || !leader.node.IsLeader() {
			t.Error("a follower's disk made the leader change")
		}
		close(release)
		logs[follower].hang.Store(nil)
		synctest.Wait() // what hung has ended, as with its process
		follower.start(nil)
		w.ready(follower)
		w.level(all...)
	})
}

// hungStable hangs where Raft stores its term and its vote.
type hungStable struct {
	raft.StableStore
	release chan struct{}
}

func (s hungStable) Set(k, v []byte) error {
	<-s.release
	return s.StableStore.Set(k, v)
}

// TestAMasterThatCannotStoreItsVoteStops, and its vote does not count meanwhile.
func TestAMasterThatCannotStoreItsVoteStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		id := leader.put("x")
		w.level(all...)
		rest := others(all, leader)
		victim, other := rest[0], rest[1]
		release := make(chan struct{})
		victim.node.store.Stable.Disk = hungStable{victim.node.store.Stable.Disk, release}
		leader.kill()
		begin := time.Now()
		expectError(t, victim.ends(), "store raft's", "has not answered for 10s")
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("it stopped after %s", took)
		}
		if other.node.IsLeader() || victim.node.IsLeader() {
			t.Error("a leader was elected by a vote that is on no disk")
		}
		close(release)
		synctest.Wait()
		victim.start(nil)
		next := w.leader(rest...)
		next.put("y")
		w.level(rest...)
		if _, ok := next.node.View().Task(id); !ok {
			t.Error("an acknowledged task is gone")
		}
	})
}

// slowSnapshots pauses at one call to the store of snapshots.
type slowSnapshots struct {
	raft.SnapshotStore
	at    string
	pause func()
}

func (s slowSnapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, ci uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	if s.at == "begin" {
		s.pause()
	}
	sink, err := s.SnapshotStore.Create(version, index, term, c, ci, trans)
	return slowSink{sink, s}, err
}

type slowSink struct {
	raft.SnapshotSink
	s slowSnapshots
}

func (k slowSink) Write(p []byte) (int, error) {
	if k.s.at == "write" {
		k.s.pause()
	}
	return k.SnapshotSink.Write(p)
}

func (k slowSink) Close() error {
	if k.s.at == "finish" {
		k.s.pause()
	}
	return k.SnapshotSink.Close()
}

// TestALeaderWhoseSnapshotHangsStops: later than with other calls, as a snapshot
// may be large; and it serves until then.
func TestALeaderWhoseSnapshotHangsStops(t *testing.T) {
	for _, at := range []string{"begin", "write", "finish"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				all := w.formed()
				leader := w.leader(all...)
				release := make(chan struct{})
				store := leader.node.store.Snapshots
				store.Disk = slowSnapshots{store.Disk, at, func() { <-release }}
				begin := time.Now()
				snapshot := leader.node.raft.Load().Snapshot()
				for i := range 50 {
					time.Sleep(time.Second)
					leader.put(fmt.Sprint(i))
				}
				expectError(t, leader.ends(), at+" a snapshot", "has not answered for 1m0s")
				if took := time.Since(begin); took > 90*time.Second {
					t.Errorf("it stopped after %s", took)
				}
				next := w.leader(others(all, leader)...)
				next.put("after")
				if got := next.node.View().Counts().Submitted; got != 51 {
					t.Errorf("%d tasks; want 51", got)
				}
				close(release)
				_ = snapshot.Error() // whatever became of it
				synctest.Wait()
				leader.start(nil)
				w.ready(leader)
				w.level(all...)
			})
		})
	}
}

// TestASnapshotMayTakeLong, as long as it gets on.
func TestASnapshotMayTakeLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.alone("m1")
		var tasks []fsm.Proposal
		for i := range 1000 {
			tasks = append(tasks, submit(fmt.Sprintf("%0200d", i)))
		}
		if _, err := m.node.Propose(t.Context(), tasks...); err != nil {
			t.Fatal(err)
		}
		writes := 0
		store := m.node.store.Snapshots
		store.Disk = slowSnapshots{store.Disk, "write", func() {
			writes++
			time.Sleep(50 * time.Second)
		}}
		begin := time.Now()
		if err := m.node.raft.Load().Snapshot().Error(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < 2*time.Minute {
			t.Errorf("the snapshot took only %s, in %d writes", took, writes)
		}
		m.put("x")
	})
}
