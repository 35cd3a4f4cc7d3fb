package cluster

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"muster/task"
)

// fate is what an error of Raft means for the entry that it is about.
type fate int

const (
	// committed: no error.
	committed fate = iota
	// notLeader: nothing happened, and the leader may be asked.
	notLeader
	// refused: nothing happened; this master is busy.
	refused
	// unknown: the entry may have been committed, or may be later.
	unknown
)

// fateOf sorts every error that a future of Raft can have. What is not known to
// have had no effect is unknown.
func fateOf(err error) fate {
	switch {
	case err == nil:
		return committed

	// Answered before the entry touched the log.
	case errors.Is(err, raft.ErrNotLeader),
		errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return notLeader

	// Raft's main loop did not take the entry in time.
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return refused

	// ErrLeadershipLost: in the log here; the next leader may have it too.
	// ErrRaftShutdown: either never taken, or committed and not applied here; the
	// same value stands for both. ErrAbortedByRestore: committed, and then
	// overwritten. errAbandoned: the wait ended first. Everything else is a raw
	// error of the log store, whose write may be on the disk, and then replicated.
	case errors.Is(err, raft.ErrLeadershipLost),
		errors.Is(err, raft.ErrRaftShutdown),
		errors.Is(err, raft.ErrAbortedByRestore),
		errors.Is(err, errAbandoned):
		return unknown
	default:
		return unknown
	}
}

// refusal turns an error of Raft into what a caller is told. leaderURL may be
// empty.
func refusal(err error, leaderURL string) error {
	switch fateOf(err) {
	case committed:
		return nil
	case notLeader:
		return notLeaderError(leaderURL)
	case refused:
		return task.Refuse(task.CodeOverloaded, "this master's log did not take the entry in time; nothing happened, try again")
	default:
		return task.Refuse(task.CodeOutcomeUnknown, fmt.Sprintf("the fate of the entry is not known (%v); repeat with the same Idempotency-Key to learn it", err))
	}
}

func notLeaderError(leaderURL string) *task.Error {
	if leaderURL == "" {
		return task.Refuse(task.CodeNoLeader, "no leader is known at the moment; nothing happened, try again")
	}
	e := task.Refuse(task.CodeNotLeader, "this master is not the leader; nothing happened, ask "+leaderURL)
	e.Leader = leaderURL
	return e
}

func shuttingDown() *task.Error {
	return task.Refuse(task.CodeShuttingDown, "this master is shutting down; nothing happened, ask another")
}
