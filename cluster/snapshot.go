package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"muster/fsm"
)

// keptSnapshots is how many snapshots stay on the disk.
const keptSnapshots = 2

// snapshot streams a view, which is immutable, beside the entries that are
// applied meanwhile.
type snapshot struct {
	view    *fsm.View
	metrics *metrics
}

// Persist writes the view.
func (s snapshot) Persist(sink raft.SnapshotSink) error {
	err := s.view.Save(sink)
	if err != nil {
		err = errors.Join(fmt.Errorf("write snapshot at index %d: %w", s.view.Index(), err), sink.Cancel())
	} else {
		err = sink.Close()
	}
	s.metrics.snapshot(err)
	return err
}

// Release has nothing to do: the view is garbage once nobody has it.
func (s snapshot) Release() {}

// snapshots is Raft's directory of snapshots. It also looks at the configuration
// of every snapshot that arrives: the configurations that it replaces are never
// seen as entries.
type snapshots struct {
	raft.SnapshotStore
	configuration func(index uint64, c raft.Configuration)
	taken         func() // a snapshot begins: the log behind it no longer counts
}

func openSnapshots(dir string, logger hclog.Logger) (raft.SnapshotStore, error) {
	if err := removeUnfinished(filepath.Join(dir, "snapshots")); err != nil {
		return nil, err
	}
	store, err := raft.NewFileSnapshotStoreWithLogger(dir, keptSnapshots, logger)
	if err != nil {
		return nil, fmt.Errorf("open snapshots in %s: %w", dir, err)
	}
	return store, nil
}

// removeUnfinished removes what a crash left of a snapshot; Raft never does.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read snapshots: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove unfinished snapshot: %w", err)
		}
	}
	return nil
}

// Create begins a snapshot, our own or the leader's.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, configurationIndex uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(version, index, term, c, configurationIndex, trans)
	if err == nil {
		s.configuration(configurationIndex, c)
		s.taken()
	}
	return sink, err
}
