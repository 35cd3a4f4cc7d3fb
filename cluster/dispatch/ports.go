package dispatch

import (
	"context"

	"muster/fsm"
	"muster/task"
)

// Log commits commands.
type Log interface {
	// Enqueue puts proposals behind those of all earlier calls, without a wait. The
	// proposals of one call land next to each other in one entry. What it returns
	// waits until the entry is applied here, and is called once; the outcomes are in
	// order. An error that is a *task.Error with another code than outcome_unknown
	// (not_leader, overloaded, disk_low …) says that nothing happened and nothing
	// will; after any other error the fate is unknown.
	Enqueue(proposals ...fsm.Proposal) (await func(ctx context.Context) ([]fsm.Outcome, error))
	// Barrier returns nil when this master has led all the time since the call
	// began, and the Source shows everything that was committed before. Calls made
	// at the same time share their cost.
	Barrier(ctx context.Context) error
}

// Source is where the dispatcher sees the state. Events of one entry are
// visible in a subscription before Propose returns for that entry.
type Source interface {
	View() *fsm.View
	// Subscribe returns the events of all entries applied after the returned
	// view, in log order.
	Subscribe() (*fsm.View, Subscription)
}

// Subscription is a bounded queue of events.
type Subscription interface {
	// Ready has a value when Take would return something.
	Ready() <-chan struct{}
	// Take empties the queue. Overflowed tells that events were dropped: the
	// subscriber must start again from a View.
	Take() (events []fsm.Event, overflowed bool)
	Close()
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
