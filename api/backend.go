package api

import (
	"context"
	"math"

	"muster/task"
)

// Place is where a change stands in the log: in the entry with an index, as
// number Position. Equal on every master.
type Place struct {
	Index    uint64
	Position int
}

// EndOfEntry is a Position behind every change of an entry.
const EndOfEntry = math.MaxInt

// Change is one change of the state, with what it made of a task, a slave or a
// master.
type Change struct {
	Place

	What   string // as in wire.Event
	Task   *task.Task
	Slave  *task.Slave
	Master *task.Master
}

// Changes are some that follow a place, in log order.
type Changes struct {
	List []Change
	// Gone tells that what follows the place is not known here any more, Unseen that
	// this master has not come as far as the place.
	Gone, Unseen bool
	More         <-chan struct{} // closes when there is more to see
}

// Leadership is who leads, as far as a master knows.
type Leadership struct {
	ID     string // empty: nobody
	APIURL string
	Term   uint64
}

// Backend is what the handlers need of a master. Methods that write work on the
// leader alone and otherwise return a *task.Error with CodeNotLeader (safe to
// repeat at the leader), CodeNoLeader, or CodeOutcomeUnknown (the write may
// have happened). Refusals are *task.Error; any other error is internal, except
// a context's. Every method is safe for concurrent use and ends when ctx does.
type Backend interface {
	Tasks
	Slaves
	Members

	// Leader returns the leader's configured API URL (empty when unknown) and
	// whether this node is the leader.
	Leader() (apiURL string, self bool)

	// Cluster names the cluster that this node belongs to; empty before it does.
	Cluster() string

	// Read returns a picture of the state. It waits, until ctx ends, for what
	// opts ask, and then returns CodeIndexNotReached, or CodeNoLeader.
	Read(ctx context.Context, opts ReadOptions) (View, error)

	// Changes returns at most limit changes that follow a place.
	Changes(after Place, limit int) Changes

	// Leadership returns who leads.
	Leadership() Leadership

	// Status describes this node; fingerprint asks for Status.Fingerprint too.
	Status(fingerprint bool) Status

	// Healthy returns nil while this node's loops get on, and otherwise CodeStalled,
	// which says which of them does not. It waits for nobody.
	Healthy() error

	// Ready returns nil when a leader is known and this node is caught up, and
	// otherwise says what is missing.
	Ready() error
}

// Tasks is what clients do with tasks.
type Tasks interface {
	// AwaitTask returns when the task is done, or with ctx's error. An unknown
	// id is CodeTaskNotFound.
	AwaitTask(ctx context.Context, id task.ID) error

	// Submit finds a slave and records the task, or refuses: CodeFullCapacity
	// (with Capacity), CodeNoSlaveForKind, CodeKeyReused, CodeOverloaded.
	Submit(ctx context.Context, s Submission) (Submitted, error)

	// SubmitAll is Submit for many tasks. An error is one of the call as a whole,
	// of which nothing was done; else the results are in order.
	SubmitAll(ctx context.Context, subs []Submission) ([]SubmitResult, error)

	// CancelTask ends a task and has its slave stop it: CodeTaskNotFound,
	// CodeAlreadyDone.
	CancelTask(ctx context.Context, id task.ID) (task.Task, error)
}

// Slaves is what slaves call, and what is done with them.
type Slaves interface {
	// Results records a slave's results. The verdicts are in order.
	Results(ctx context.Context, r task.Report) ([]task.Verdict, error)

	// RegisterSlave dials the slave back and puts it into the registry:
	// CodeSlaveUnreachable, CodeWrongIncarnation, CodeNameTaken.
	RegisterSlave(ctx context.Context, r task.Registration) (task.Slave, error)

	// LeaveSlave records that a slave has said goodbye.
	LeaveSlave(ctx context.Context, name, incarnation string) (task.Slave, error)

	// DrainSlave keeps a slave from getting tasks, or with false lets it have some
	// again: CodeSlaveNotFound.
	DrainSlave(ctx context.Context, name string, drained bool) (task.Slave, error)

	// ResizeSlave has a slave change its number of slots: CodeSlaveNotFound,
	// CodeSlaveNotAlive, CodeSlaveUnreachable, CodeNotResizable.
	ResizeSlave(ctx context.Context, name string, slots int) (task.Slave, error)

	// RemoveSlave drops a slave from the registry: CodeSlaveNotFound,
	// CodeSlaveBusy. By force its tasks are given up.
	RemoveSlave(ctx context.Context, name string, force bool) (task.Slave, error)
}

// Members is what is done with the cluster's members.
type Members interface {
	// Masters lists the masters with their roles.
	Masters() []task.Master

	// Join takes a master in. It returns when the master is a member and votes,
	// or refuses and has changed nothing.
	Join(ctx context.Context, r task.JoinRequest) (Joined, error)

	// RemoveMaster takes a master out.
	RemoveMaster(ctx context.Context, id string) error

	// TransferLeadership hands leadership to the master.
	TransferLeadership(ctx context.Context, id string) error
}

// ReadOptions are the consistency that a reader asks for.
type ReadOptions struct {
	MinIndex     uint64 // wait to have applied this index
	Linearizable bool   // at the leader: see everything acknowledged before now
}

// View is an immutable picture of the state.
type View interface {
	Index() uint64
	Task(id task.ID) (task.Task, bool)
	List(q task.Query) task.Page
	Counts() task.Counts
	Capacity() task.Capacity
	Slaves() []task.Slave // in registration order; LastSeenAt set on the leader
	Slave(name string) (task.Slave, bool)
}

// Submission is a task to be submitted.
type Submission struct {
	Spec    task.Spec
	Key     string // Idempotency-Key, empty for none
	Explain bool   // report who was asked
	Queue   bool   // when no slave has a free slot, it waits
}

// SubmitResult is what became of one Submission of many.
type SubmitResult struct {
	Submitted

	Refusal *task.Error // nil: it is recorded
}

// Submitted is the answer to a Submission.
type Submitted struct {
	Task     task.Task
	Existing bool         // the key was known: an earlier task, as it is now
	Asked    []task.Asked // with Explain
}

// Joined is the answer to a join.
type Joined struct {
	ClusterID string
	Masters   []task.Master
}

// Status describes one node.
type Status struct {
	ID        string
	ClusterID string // empty until this master belongs to a cluster
	// DiskID is random, made when the data directory was first used. Founders
	// are the disk ids, by master id, that this master's cluster was formed
	// from; empty until it is formed. They tell a master that was wiped from
	// one that is new.
	DiskID   string
	Founders map[string]string

	RaftAddress string // where other masters are told to reach it
	APIURL      string // and clients and slaves

	WallClock task.Millis // what its own clock shows
	Clock     task.Millis // the cluster's clock, as far as it knows it; 0 for not at all

	FreeDisk uint64 // bytes that are free for its data; 0 for unknown, too
	DiskLow  bool   // too few of them for new tasks

	Version      string
	Role         task.Role
	Voter        bool
	Term         uint64
	LeaderID     string
	LeaderURL    string
	AppliedIndex uint64 // index of the last applied command entry
	// LeaderContactMS is the time since the leader was last heard; 0 on the
	// leader, -1 if never.
	LeaderContactMS int64
	// Fingerprint is of the state at AppliedIndex; only when asked for, as it
	// reads the whole state.
	Fingerprint string
	Counts      task.Counts
	Capacity    task.Capacity
	Ready       bool
	NotReady    string // why not
	// OldestPendingAt is when the oldest of the tasks that wait was submitted; 0
	// when none waits.
	OldestPendingAt task.Millis
}
