package task

import "errors"

// What a request of a leader to a slave can come to, besides an answer. Any
// other error is unclear: the slave may have got the request.
var (
	// ErrUnreached: the request surely did not reach the slave.
	ErrUnreached = errors.New("slave not reached")
	// ErrWrongIncarnation: another incarnation answered and did nothing.
	ErrWrongIncarnation = errors.New("another incarnation of the slave answered")
	// ErrStaleStamp: the slave has seen a newer stamp and did nothing.
	ErrStaleStamp = errors.New("the slave has seen a newer request")
	// ErrNotOffered: the slave's program does not have this call. Only what is
	// optional in the protocol may be missing.
	ErrNotOffered = errors.New("the slave does not offer this")
)
