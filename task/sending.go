package task

import "errors"

// What a request of a leader to a slave can come to, besides an answer. Any
// other error is unclear: the slave may have got the request.
var (
	// ErrUnreached: the request surely did not reach the slave.
	ErrUnreached = errors.New("slave not reached")
	// ErrRefused: a new connection was refused, as by a machine on which nothing
	// listens at the slave's port. It comes with ErrUnreached, or alone if a
	// connection before that one may have carried the request.
	ErrRefused = errors.New("the slave's port refuses connections")
	// ErrWrongIncarnation: another incarnation answered and did nothing.
	ErrWrongIncarnation = errors.New("another incarnation of the slave answered")
	// ErrWrongCluster: the slave works for the masters of another cluster and did
	// nothing. What it had of this one it has let go.
	ErrWrongCluster = errors.New("the slave works for another cluster")
	// ErrStaleStamp: the slave has seen a newer stamp and did nothing.
	ErrStaleStamp = errors.New("the slave has seen a newer request")
	// ErrNotResizable: the slave's program can't change its number of slots.
	ErrNotResizable = errors.New("the slave can't change its number of slots while it runs")
	// ErrNoSize: the number of slots is none that a slave can have.
	ErrNoSize = errors.New("not a number of slots")
)
