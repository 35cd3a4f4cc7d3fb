package commit

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"

	"muster/task"
)

// Fate is what an error of Raft means for the entry that it is about.
type Fate int

// The fates.
const (
	// Committed: no error.
	Committed Fate = iota
	// NotLeader: nothing happened, and the leader may be asked.
	NotLeader
	// Refused: nothing happened; this master is busy.
	Refused
	// Unknown: the entry may have been committed, or may be later.
	Unknown
)

// FateOf sorts every error that a future of Raft can have. What is not known to
// have had no effect is unknown.
func FateOf(err error) Fate {
	switch {
	case err == nil:
		return Committed

	// Answered before the entry touched the log.
	case errors.Is(err, raft.ErrNotLeader),
		errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return NotLeader

	// Raft's main loop did not take the entry in time.
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return Refused

	// ErrLeadershipLost: in the log here; the next leader may have it too.
	// ErrRaftShutdown: either never taken, or committed and not applied here; the
	// same value stands for both. ErrAbortedByRestore: committed, and then
	// overwritten. ErrAbandoned: the wait ended first. Everything else is a raw
	// error of the log store, whose write may be on the disk, and then replicated.
	case errors.Is(err, raft.ErrLeadershipLost),
		errors.Is(err, raft.ErrRaftShutdown),
		errors.Is(err, raft.ErrAbortedByRestore),
		errors.Is(err, ErrAbandoned):
		return Unknown
	default:
		return Unknown
	}
}

// Refusal turns an error of Raft into what a caller is told. leaderURL may be
// empty.
func Refusal(err error, leaderURL string) error {
	switch FateOf(err) {
	case Committed:
		return nil
	case NotLeader:
		return NotLeaderError(leaderURL)
	case Refused:
		return task.Refuse(task.CodeOverloaded, "this master's log did not take the entry in time; nothing happened, try again")
	default:
		return task.Refuse(task.CodeOutcomeUnknown, fmt.Sprintf("the fate of the entry is not known (%v); repeat with the same Idempotency-Key to learn it", err))
	}
}

// NotLeaderError is CodeNotLeader with the leader's URL, or CodeNoLeader if that is empty.
func NotLeaderError(leaderURL string) *task.Error {
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
