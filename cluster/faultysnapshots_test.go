package cluster

import (
	"github.com/hashicorp/raft"
)

// fullStore fails as hashicorp/raft's snapshot store does on a full disk: it
// leaves its directory, also when the snapshot is cancelled.
type fullStore struct {
	raft.SnapshotStore
	begins int // how many snapshots may begin
}

func (s fullStore) Create(version raft.SnapshotVersion, index, term uint64, c raft.Configuration, ci uint64, trans raft.Transport) (raft.SnapshotSink, error) {
	sink, err := s.SnapshotStore.Create(version, index, term, c, ci, trans)
	if err != nil {
		return nil, err
	}
	if s.begins > 0 {
		return fullSink{sink}, nil
	}
	return nil, errDiskFull
}

type fullSink struct{ raft.SnapshotSink }

func (fullSink) Write([]byte) (int, error) { return 0, errDiskFull }
func (fullSink) Close() error              { return errDiskFull }
func (fullSink) Cancel() error             { return errDiskFull }
