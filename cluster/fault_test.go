package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/store"
	"muster/fsm"
	"muster/task"
)

// faultyLog fails or hangs when it is told to.
type faultyLog struct {
	raft.LogStore
	fail atomic.Pointer[error]
	hang atomic.Pointer[chan struct{}]
}

func (f *faultyLog) StoreLogs(logs []*raft.Log) error {
	if release := f.hang.Load(); release != nil {
		<-*release
	}
	if err := f.fail.Load(); err != nil {
		return *err
	}
	return f.LogStore.StoreLogs(logs)
}

func (f *faultyLog) GetLog(index uint64, l *raft.Log) error {
	if err := f.fail.Load(); err != nil {
		return *err
	}
	return f.LogStore.GetLog(index, l)
}

func withFaults(m *master) *faultyLog {
	f := &faultyLog{}
	m.adjust = func(c *Config) {
		c.WrapLogStore = func(s raft.LogStore) raft.LogStore { f.LogStore = s; return f }
	}
	return f
}

func TestALeaderWhoseDiskHangsStops(t *testing.T) {
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
		acked := leader.put("before")
		release := make(chan struct{})
		logs[leader].hang.Store(&release)
		begin := time.Now()
		_, err := leader.node.Propose(t.Context(), submit("hung"))
		if codeOf(err) != task.CodeOutcomeUnknown {
			t.Errorf("propose: %v; want outcome_unknown", err)
		}
		next := w.leader(others(all, leader)...)
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("another led after %s", took)
		}
		if err := leader.ends(); err == nil {
			t.Error("Run returned nil")
		} else {
			expectError(t, err, "append to the log", "has not answered for 10s")
		}
		if _, ok := next.node.View().Task(acked); !ok {
			t.Error("an acknowledged task is gone")
		}
		next.put("after")
		close(release)
	})
}

func TestAStoreThatFailsStopsTheNode(t *testing.T) {
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
		full := errors.New("no space left on device")
		logs[leader].fail.Store(&full)
		_, err := leader.node.Propose(t.Context(), submit("full"))
		if codeOf(err) != task.CodeOutcomeUnknown {
			t.Errorf("propose: %v; want outcome_unknown", err)
		}
		expectError(t, leader.ends(), "append to the log", "no space left")
		rest := others(all, leader)
		w.leader(rest...).put("after")

		follower := others(rest, w.leader(rest...))[0]
		logs[follower].fail.Store(&full)
		_, _ = w.leader(rest...).node.Propose(t.Context(), submit("x")) // two of three are needed
		expectError(t, follower.ends(), "no space left")
	})
}

// TestRaftDoesNotPanicWhenItsTermCannotBeStored: it would, and take the whole
// process with it.
func TestRaftDoesNotPanicWhenItsTermCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		victim := others(all, leader)[0]
		victim.node.store.Stable.Disk = brokenStable{victim.node.store.Stable.Disk}
		leader.kill()
		expectError(t, victim.ends(), "store raft's", "i/o error")
	})
}

type brokenStable struct{ raft.StableStore }

func (brokenStable) Set([]byte, []byte) error       { return errors.New("i/o error") }
func (brokenStable) SetUint64([]byte, uint64) error { return errors.New("i/o error") }

// TestAnEntryThatIsNotUnderstoodStopsTheMasters that apply it, before it and
// again after a restart. The last of three can't learn that it was committed.
func TestAnEntryThatIsNotUnderstoodStopsTheMasters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		leader := w.leader(all...)
		leader.put("before")
		w.level(all...)
		index := leader.node.AppliedIndex()
		_ = leader.node.raft.Load().Apply([]byte("from the future"), time.Second) // answered by the stop
		for range 2 {
			var stopped []*master
			w.eventually("two masters stop", func() bool {
				stopped = nil
				for _, m := range all {
					select {
					case <-m.done:
						stopped = append(stopped, m)
					default:
					}
				}
				return len(stopped) >= 2
			})
			for _, m := range stopped {
				expectError(t, m.err, "can't be understood", fmt.Sprint(index+1))
				m.start(nil)
			}
			for _, m := range all {
				if got := m.node.AppliedIndex(); got > index {
					t.Errorf("%s applied %d after %d", m.id, got, index)
				}
			}
		}
	})
}

func TestALowDiskTakesResultsAndNoTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		var free atomic.Uint64
		m.adjust = func(c *Config) {
			c.MinFreeDisk = 1000
			c.FreeDisk = func(string) (uint64, error) {
				if f := free.Load(); f > 0 {
					return f, nil
				}
				return 0, errors.New("unknown")
			}
		}
		free.Store(5000)
		m.start(bootstrap)
		w.leader(m)
		m.put("a")
		free.Store(999)
		time.Sleep(2 * store.SpacePoll)
		if _, err := m.node.Propose(t.Context(), submit("b")); codeOf(err) != task.CodeDiskLow {
			t.Errorf("a task: %v; want disk_low", err)
		}
		urgent := fsm.Proposal{Command: fsm.SubmitTask{Spec: task.Spec{Kind: "k", Priority: 1}}}
		if _, err := m.node.Propose(t.Context(), urgent); codeOf(err) != task.CodeDiskLow {
			t.Errorf("a task with a priority: %v; want disk_low", err)
		}
		if _, err := m.node.Propose(t.Context(), fsm.Proposal{Command: fsm.GiveUpAttempt{}}); err != nil {
			t.Errorf("another command: %v", err)
		}
		free.Store(0) // not known: as it was
		time.Sleep(2 * store.SpacePoll)
		if _, err := m.node.Propose(t.Context(), submit("b")); codeOf(err) != task.CodeDiskLow {
			t.Errorf("a task: %v; want disk_low", err)
		}
		free.Store(1250) // a quarter more
		time.Sleep(2 * store.SpacePoll)
		m.put("b")
	})
}

func TestALogThatGrowsInBytesIsSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		m := w.master("m1")
		m.adjust = func(c *Config) { c.MaxLogBytes, c.MaxTrailingBytes = 64<<10, 16<<10 }
		m.start(bootstrap)
		w.leader(m)
		for i := range 1000 {
			m.put(fmt.Sprint(i))
		}
		w.eventually("the log is shortened", func() bool {
			first, err := m.node.store.Log.FirstIndex()
			return err == nil && first > 1
		})
		if err := m.halt(); err != nil {
			t.Fatal(err)
		}
		m.start(nil)
		w.leader(m)
		if got := m.node.View().Counts().Submitted; got != 1000 {
			t.Errorf("%d tasks after the restart", got)
		}
	})
}

// TestAForgedTermDoesNotStopTheCluster: one message with the highest term would
// be the last term for ever.
func TestAForgedTermDoesNotStopTheCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		_, forger := raft.NewInmemTransport("forger")
		for addr, tr := range w.inmem {
			forger.Connect(addr, tr)
			err := forger.AppendEntries("x", addr, &raft.AppendEntriesRequest{
				RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte("x"), Addr: []byte("forger")}, Term: 1<<64 - 1,
			}, &raft.AppendEntriesResponse{})
			if err == nil {
				t.Errorf("%s took it", addr)
			}
		}
		w.leader(all...).put("x")
	})
}

func TestAMinorityDoesNotAcknowledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, false)
		all := w.formed()
		old := w.leader(all...)
		w.cut(old)
		_, err := old.node.Propose(t.Context(), submit("lost"))
		if codeOf(err) != task.CodeOutcomeUnknown {
			t.Errorf("propose: %v; want outcome_unknown", err)
		}
		if err := old.node.Barrier(t.Context()); err == nil {
			t.Error("a strong read was served by a leader without a majority")
		}
		next := w.leader(others(all, old)...)
		id := next.put("kept")
		w.heal(old)
		w.ready(all...)
		w.level(all...)
		if _, ok := old.node.View().TaskByKey("lost"); ok {
			t.Error("the old leader kept what was overwritten")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.leader(all...).node.Barrier(ctx); err != nil {
			t.Errorf("barrier: %v", err)
		}
		if _, ok := old.node.View().Task(id); !ok {
			t.Error("the old leader has not caught up")
		}
	})
}
