package cluster

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// snapshotSender is an in-memory transport whose first snapshot breaks off half-way.
type snapshotSender struct {
	Transport
	breaks *snapshotBreak
}

// snapshotBreak is what happens in the middle of the first snapshot that any
// master gets.
type snapshotBreak struct {
	fired  atomic.Bool
	middle func() error
	broke  chan error   // has a value after that
	whole  atomic.Int32 // snapshots that arrived later
}

func (s snapshotSender) InstallSnapshot(id raft.ServerID, to raft.ServerAddress, req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	err := s.Transport.InstallSnapshot(id, to, req, resp, &breakingReader{data, req.Size / 2, s.breaks})
	if err == nil && resp.Success {
		s.breaks.whole.Add(1)
	}
	return err
}

type breakingReader struct {
	io.Reader
	left   int64
	breaks *snapshotBreak
}

func (r *breakingReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		if r.breaks.fired.Swap(true) {
			return r.Reader.Read(p)
		}
		err := r.breaks.middle()
		r.breaks.broke <- err
		return 0, err
	}
	n, err := r.Reader.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	return n, err
}

// TestASnapshotThatBreaksOffIsSentAgain: a master was away for so long that it
// needs the leader's snapshot, and gets half of it, while others write. It ends
// with all that was acknowledged, and with nothing left of the first half.
func TestASnapshotThatBreaksOffIsSentAgain(t *testing.T) {
	type scene struct {
		w            *world
		leader, away *master
		half         string // a copy of the directory that the crashed receiver had
	}
	for name, c := range map[string]struct {
		middle func(s *scene) error
		after  func(s *scene)
	}{
		"the connection breaks": {
			func(*scene) error { return io.ErrUnexpectedEOF },
			func(*scene) {},
		},
		"the receiver dies": {
			func(s *scene) error {
				unfinishedOnes, err := filepath.Glob(filepath.Join(s.away.dir, snapshotsDir, "*"+unfinished))
				if err != nil || len(unfinishedOnes) != 1 {
					return fmt.Errorf("there is no unfinished snapshot: %v, %w", unfinishedOnes, err)
				}
				s.half = unfinishedOnes[0]
				if err := os.CopyFS(s.half+".copy", os.DirFS(s.half)); err != nil {
					return err
				}
				return crash(s.away)
			},
			func(s *scene) { // as the crash left it
				<-s.away.done
				if err := os.Rename(s.half+".copy", s.half); err != nil {
					s.w.t.Error(err)
				}
				s.away.start(nil)
			},
		},
		"the sender dies": {
			func(s *scene) error { return crash(s.leader) },
			func(s *scene) {
				<-s.leader.done
				s.leader.start(nil)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, false)
				s := &scene{w: w}
				breaks := &snapshotBreak{broke: make(chan error, 1), middle: func() error { return c.middle(s) }}
				all := w.trio()
				for _, m := range all {
					m.adjust = func(c *Config) {
						c.SnapshotThreshold, c.TrailingLogs = 50, 10
						c.Transport = snapshotSender{c.Transport, breaks}
					}
					m.start(founders(all...))
				}
				w.ready(all...)
				s.leader = w.leader(all...)
				s.away = others(all, s.leader)[0]
				load := newPacedLoad(w, 20*time.Millisecond, all...)
				defer load.stop()
				load.more(20)
				s.away.kill()
				was := s.away.node.AppliedIndex()
				w.eventually("the log that it needs is gone", func() bool {
					for _, m := range others(all, s.away) {
						if first, err := m.node.store.Log.FirstIndex(); err != nil || first < was+50 {
							return false
						}
					}
					return true
				})
				s.away.start(nil)
				select {
				case err := <-breaks.broke:
					if err == nil {
						t.Error("nothing broke")
					}
				case <-time.After(time.Minute):
					t.Fatal("no snapshot was sent")
				}
				c.after(s)
				load.more(50)
				w.ready(all...)
				load.stop()
				w.level(all...)
				load.check(all...)
				if breaks.whole.Load() == 0 {
					t.Error("the snapshot that broke off was not sent again")
				}
				if left, _ := filepath.Glob(filepath.Join(s.away.dir, snapshotsDir, "*"+unfinished+"*")); len(left) > 0 {
					t.Errorf("left of the first half: %v", left)
				}
			})
		})
	}
}

// TestAMasterThatWasLongAwayCatchesUpUnderLoad over TCP, with a snapshot of some
// size, while the leader goes on: the others never wait for it.
func TestAMasterThatWasLongAwayCatchesUpUnderLoad(t *testing.T) {
	w := newWorld(t, true)
	all := w.trio()
	for _, m := range all {
		m.adjust = func(c *Config) {
			c.SnapshotThreshold, c.TrailingLogs = 50, 10
		}
		m.start(founders(all...))
	}
	w.ready(all...)
	leader := w.leader(all...)
	away := others(all, leader)[0]
	load := newLoad(w, all...)
	defer load.stop()
	for range 2 {
		load.more(20)
		away.kill()
		was := away.node.AppliedIndex()
		w.eventually("the log that it needs is gone", func() bool {
			for _, m := range others(all, away) {
				if first, err := m.node.store.Log.FirstIndex(); err != nil || first < was+50 {
					return false
				}
			}
			return true
		})
		index := leader.node.AppliedIndex()
		away.start(nil)
		w.eventually("it has caught up", func() bool { return away.node.AppliedIndex() >= index })
		w.eventually("its log begins behind a snapshot", func() bool {
			first, err := away.node.store.Log.FirstIndex()
			return err == nil && first+10 > was
		})
		load.more(20)
	}
	load.stop()
	w.level(all...)
	load.check(all...)
}
