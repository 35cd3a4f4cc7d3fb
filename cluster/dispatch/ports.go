package dispatch

import (
	"context"

	"muster/fsm"
	"muster/task"
)

// Log is the replicated log.
type Log interface {
	// View returns the state, as of the newest entry that is applied here.
	View() *fsm.View
	// Open returns the state, and the log from there on.
	Open() (*fsm.View, Stream)
	// Barrier returns nil when this master has led all the time since the call
	// began, and View shows everything that was committed before. Calls made at the
	// same time share their cost.
	Barrier(ctx context.Context) error
}

// Stream is the log, asynchronous, ordered and pulled, as one goroutine uses it.
type Stream interface {
	// Wake has a value when Ready may have become true, or Committed returns something.
	Wake() <-chan struct{}
	// Ready tells whether an entry may be appended.
	Ready() bool
	// Append puts commands into the log, as one entry behind those of all earlier calls.
	// It does not wait. It may be called when Ready; every entry comes back once.
	Append(proposals []fsm.Proposal)
	// Committed returns what has become of entries since the last call, in the order of
	// the log; View shows at least that. Overflowed tells that some are missing: who
	// follows must start again from a View.
	Committed() (entries []Entry, overflowed bool)
	// Close ends the use of the stream.
	Close()
}

// Entry is what has become of an entry.
type Entry struct {
	Own bool // it is the oldest that was appended here and has not come back
	// Outcomes are those of its commands, in order, with what each changed.
	Outcomes []fsm.Outcome
	// Err, if not nil, is why an own entry has no outcomes. A *task.Error with another
	// code than outcome_unknown (not_leader, overloaded, disk_low …) says that nothing
	// happened and nothing will; after any other error the fate is unknown.
	Err error
}

// Sender talks to slaves. Every call carries a stamp, ends with ctx, and
// returns nil, task.ErrUnreached, task.ErrWrongCluster, task.ErrWrongIncarnation or
// task.ErrStaleStamp (wrapped), or another error: unclear, the slave may have got
// the request. With task.ErrRefused, too, the last connection was refused.
type Sender interface {
	// Available asks "are you available?".
	Available(ctx context.Context, url string, stamp task.Stamp) (task.Availability, error)
	// Knock is Available on a new connection.
	Knock(ctx context.Context, url string, stamp task.Stamp) (task.Availability, error)
	// Send hands attempts to an incarnation. The receipts are in order.
	Send(ctx context.Context, url string, stamp task.Stamp, incarnation string, orders []task.Order) ([]task.Receipt, task.Availability, error)
	// Held lists the attempts that the slave has.
	Held(ctx context.Context, url string, stamp task.Stamp) ([]task.Held, task.Availability, error)
	// Resize has an incarnation change its number of slots. A slave whose program
	// can't is task.ErrNotResizable.
	Resize(ctx context.Context, url string, stamp task.Stamp, incarnation string, slots int) (task.Availability, error)
	// Cancel stops one attempt; a slave that does not have it says so with nil.
	Cancel(ctx context.Context, url string, stamp task.Stamp, incarnation string, id task.ID, attempt uint32) (task.Availability, error)
}
