package app

import (
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"

	"muster/cluster/dispatch"
	"muster/slave"
	"muster/task"
)

// MaxSlots bounds the slots of a slave; masters hold registrations against the same.
const MaxSlots = task.MaxSlots

// MasterConfig configures one master. The zero value of a field takes the
// default that its comment names.
type MasterConfig struct {
	ID            string // required; never reused for another disk
	DataDir       string // required
	RaftListen    string // host:port, required
	RaftAdvertise string // host:port that other masters dial; default: RaftListen
	APIListen     string // host:port, required
	APIAdvertise  string // base URL for clients and slaves; default: http://APIListen

	// APINames are further names by which clients may call the API; "*" is any.
	APINames []string

	// One of the three ways to get a cluster; none is needed for a data
	// directory that already belongs to one.
	Bootstrap bool     // a cluster of one, that others join
	Join      []string // API URLs of masters to join
	Masters   []Peer   // the identical list of all founding masters

	ForwardFromFollowers bool          // followers carry writes to the leader instead of redirecting
	QuestionTTL          time.Duration // how long a slave's answer serves; 0: ask for every task
	QueueWhenFull        bool          // tasks wait for a free slot unless they say otherwise
	QueueLimit           int           // tasks that may wait; default 100,000
	Retention            Retention     // which done tasks are forgotten
	SlaveTimeout         time.Duration // silence after which a slave is lost; default 5 s
	SlaveRetention       time.Duration // how long lost and left slaves are kept; default 7 days
	Profile              string        // "lan" (default) or "wan": Raft's time-outs
	SnapshotThreshold    uint64        // log entries between snapshots, at most; default 32768
	TrailingLogs         uint64        // entries kept behind a snapshot; default 10240
	MinFreeDisk          uint64        // bytes below which no new task is taken; default 64 MiB

	Version string
	Logger  *slog.Logger           // default: discard; a handler that blocks would hold the master up
	Metrics []prometheus.Collector // of the process, which /metrics shows with the master's own
	Network Network                // default: the real one
	// WrapLogStore, if not nil, puts something between Raft and its log on disk:
	// a disk that hangs or fails, in tests.
	WrapLogStore func(raft.LogStore) raft.LogStore
	Now          func() time.Time // the wall clock; default time.Now
}

// Retention says which done tasks are forgotten; see dispatch.Retention.
type Retention = dispatch.Retention

// Peer is one founding master.
type Peer struct {
	ID          string
	RaftAddress string
	APIURL      string
}

// SlaveConfig configures one slave that evaluates expressions.
type SlaveConfig struct {
	Name      string            // required
	Listen    string            // host:port, required
	Advertise string            // base URL that masters call; default: http://Listen
	Slots     int               // default 1
	Masters   []string          // API URLs, at least one
	Labels    map[string]string // what tasks can require of it
	Version   string
	// EvaluateCommand starts the child process that evaluates expressions;
	// default: this executable with the argument "evaluate-child".
	EvaluateCommand []string
	// Evaluate, if not nil, computes expressions in the place of child processes.
	// Hostile ones can end this process then: it is for tests in fake time, which
	// a pipe to a child would stop.
	Evaluate     slave.Handler
	DrainTimeout time.Duration // after SIGTERM; default 30 s

	Logger  *slog.Logger // default: discard
	Network Network      // default: the real one
}
