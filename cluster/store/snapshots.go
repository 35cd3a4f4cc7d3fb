package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

const (
	// keptSnapshots is how many snapshots stay on the disk.
	keptSnapshots = 2
	snapshotsDir  = "snapshots" // hashicorp/raft's name
	unfinished    = ".tmp"      // hashicorp/raft's suffix
)

// Snapshots is Raft's directory of snapshots, under watch. It shows Raft the
// newest one only. hashicorp/raft takes an older one without a word when it can't
// read the newest; but the log between the two may be gone, and with it what this
// master acknowledged.
//
// It also looks at the configuration of every snapshot that arrives: the
// configurations that it replaces are never seen as entries.
type Snapshots struct {
	Disk          raft.SnapshotStore // tests put one in between that has faults
	dir           string
	guard         *Guard
	configuration func(index uint64, c raft.Configuration)
	sizes         *Sizes        // of the log behind the newest one
	newest        atomic.Uint64 // the last index that is in a whole snapshot
}

// openSnapshots opens the snapshots in a data directory. The newest must be
// readable, as far as its name and its description go; its content is checked
// when Raft reads it.
func openSnapshots(dataDir string, logger hclog.Logger, guard *Guard, sizes *Sizes) (*Snapshots, error) {
	dir := filepath.Join(dataDir, snapshotsDir)
	if err := removeUnfinished(dir, ""); err != nil {
		return nil, err
	}
	disk, err := raft.NewFileSnapshotStoreWithLogger(dataDir, keptSnapshots, logger)
	if err != nil {
		return nil, fmt.Errorf("open snapshots in %s: %w", dir, err)
	}
	s := &Snapshots{Disk: disk, dir: dir, guard: guard, configuration: func(uint64, raft.Configuration) {}, sizes: sizes}
	if err := s.checkNewest(); err != nil {
		return nil, err
	}
	return s, nil
}

// checkNewest looks for a snapshot whose description can't be read: Raft passes
// over it.
func (s *Snapshots) checkNewest() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read snapshots: %w", err)
	}
	readable, err := s.List()
	if err != nil {
		return fmt.Errorf("read snapshots: %w", err)
	}
	var newest position
	if len(readable) > 0 {
		newest = position{readable[0].Term, readable[0].Index}
		s.newest.Store(newest.index)
		s.sizes.snapshotEnded(readable[0].Size)
		if named, ok := positionOf(readable[0].ID); !ok || named != newest {
			return s.damaged(readable[0].ID, fmt.Errorf("its description, meta.json, says term %d and index %d", newest.term, newest.index))
		}
	}
	for _, e := range entries {
		at, ok := positionOf(e.Name())
		if e.IsDir() && ok && at.after(newest) {
			return s.damaged(e.Name(), errors.New("its description, meta.json, can't be read"))
		}
	}
	return nil
}

// position is how far a snapshot goes.
type position struct{ term, index uint64 }

// positionOf reads it from a snapshot's name: term-index-milliseconds.
func positionOf(name string) (at position, ok bool) {
	var ms uint64
	n, err := fmt.Sscanf(name, "%d-%d-%d", &at.term, &at.index, &ms)
	return at, err == nil && n == 3 && name == fmt.Sprintf("%d-%d-%d", at.term, at.index, ms)
}

func (p position) after(q position) bool {
	return p.term > q.term || p.term == q.term && p.index > q.index
}

func (s *Snapshots) damaged(id string, err error) error {
	return StartAnew(fmt.Errorf("the snapshot %s is damaged (%w), and the log behind it may be gone", filepath.Join(s.dir, id), err))
}

// Reach returns the last index that is in a snapshot.
func (s *Snapshots) Reach() (uint64, error) {
	metas, err := s.List()
	if err != nil || len(metas) == 0 {
		return 0, err
	}
	return metas[0].Index, nil
}

// Newest returns the last index that is in a whole snapshot.
func (s *Snapshots) Newest() uint64 { return s.newest.Load() }

// List returns the newest snapshot.
func (s *Snapshots) List() (metas []*raft.SnapshotMeta, err error) {
	err = s.guard.slowly("list snapshots", func() error { metas, err = s.Disk.List(); return err })
	return metas[:min(1, len(metas))], err
}

// Open opens a snapshot and checks it. One that is damaged stops the node: as a
// leader it could give it to nobody.
func (s *Snapshots) Open(id string) (meta *raft.SnapshotMeta, content io.ReadCloser, err error) {
	err = s.guard.slowly("read a snapshot", func() error { meta, content, err = s.Disk.Open(id); return err })
	if err == nil {
		return meta, &watchedContent{content, s.guard}, nil
	}
	if _, gone := os.Stat(filepath.Join(s.dir, id)); errors.Is(gone, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("open snapshot %s: there are newer ones: %w", id, err)
	}
	return nil, nil, s.guard.failed("read a snapshot", s.damaged(id, err))
}

// Create begins a snapshot, our own or the leader's.
func (s *Snapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, configurationIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	var sink raft.SnapshotSink
	err := s.guard.slowly("begin a snapshot", func() (err error) {
		sink, err = s.Disk.Create(version, index, term, c, configurationIndex, trans)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, removeUnfinished(s.dir, fmt.Sprintf("%d-%d-", term, index)))
	}
	s.configuration(configurationIndex, c)
	s.sizes.snapshotBegan(index)
	finished := func(bytes int64) {
		for was := s.newest.Load(); was < index && !s.newest.CompareAndSwap(was, index); {
			was = s.newest.Load()
		}
		s.sizes.snapshotEnded(bytes)
	}
	return &snapshotSink{SnapshotSink: sink, guard: s.guard, path: filepath.Join(s.dir, sink.ID()+unfinished), finished: finished}, nil
}

// watchedContent is the content of a snapshot.
type watchedContent struct {
	io.ReadCloser
	guard *Guard
}

// Read reads on.
func (c *watchedContent) Read(p []byte) (n int, err error) {
	c.guard.pieces.Add(1)
	err = c.guard.slowly("read a snapshot", func() error { n, err = c.ReadCloser.Read(p); return err })
	return n, err
}

// snapshotSink is a snapshot that is being written. hashicorp/raft's leaves its
// directory behind when the disk is full, and the disk stays full.
type snapshotSink struct {
	raft.SnapshotSink
	guard    *Guard
	path     string // while it is not finished
	bytes    int64  // written
	finished func(bytes int64)
}

// Write appends to the snapshot.
func (s *snapshotSink) Write(p []byte) (n int, err error) {
	s.guard.pieces.Add(1)
	err = s.guard.slowly("write a snapshot", func() error { n, err = s.SnapshotSink.Write(p); return err })
	s.bytes += int64(n)
	return n, err
}

// Close finishes the snapshot.
func (s *snapshotSink) Close() error {
	err := s.end("finish a snapshot", s.SnapshotSink.Close)
	if err == nil {
		s.finished(s.bytes)
	}
	return err
}

// Cancel removes the snapshot.
func (s *snapshotSink) Cancel() error {
	return s.end("drop a snapshot", s.SnapshotSink.Cancel)
}

func (s *snapshotSink) end(what string, call func() error) error {
	err := s.guard.slowly(what, call)
	if err != nil {
		err = errors.Join(err, os.RemoveAll(s.path))
	}
	return err
}

// removeUnfinished removes what a crash or a failure left of snapshots; Raft
// never does.
func removeUnfinished(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read snapshots: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasSuffix(e.Name(), unfinished) || !strings.HasPrefix(e.Name(), prefix) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove unfinished snapshot: %w", err)
		}
	}
	return nil
}
