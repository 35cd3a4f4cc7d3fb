package cluster

import (
	"context"
	"errors"

	"muster/task"
)

// ErrSlave is what Peers return for the address of a slave.
var ErrSlave = errors.New("a slave answers there, not a master")

// ErrRaftPort is what Peers return for the address of a master's Raft port.
var ErrRaftPort = errors.New("a master's Raft port is there, not its API")

// Peers is how a node talks to the APIs of other masters. Every call ends with
// ctx. A refusal of the other side is a *task.Error.
type Peers interface {
	// Hello asks the master at apiURL who it is. It is ErrSlave if that is a slave, and
	// ErrRaftPort if it is a Raft port.
	Hello(ctx context.Context, apiURL string) (Hello, error)
	// Join asks the cluster of the master at apiURL to take a master in; it
	// follows to the leader. It returns the cluster's id once the master votes.
	Join(ctx context.Context, apiURL string, req task.JoinRequest) (clusterID string, err error)
}

// Hello is what a master says of itself.
type Hello struct {
	ID        string
	DiskID    string            // random, made when the data directory was first used
	ClusterID string            // empty until this disk belongs to a cluster
	Founders  map[string]string // disk ids by id of the formed cluster's founders

	// Where this process says that it is reached; empty from an older version.
	RaftAddress string
	APIURL      string

	// WallClock is what the master's own clock shows; 0 from an older version.
	WallClock task.Millis

	FreeDisk uint64 // bytes that are free for its data; 0 also from an older version
	DiskLow  bool   // too few of them for new tasks

	AppliedIndex uint64 // of the last applied command entry
	Term         uint64
	LeaderID     string
	LeaderURL    string // its API URL; empty if it is not known
	Ready        bool   // a member that is up to date; a leader that has taken over
	NotReady     string // what is missing until it is
}

// hasSpace reports whether the master said that there is space on its disk.
func (h Hello) hasSpace() bool { return h.FreeDisk > 0 && !h.DiskLow }
