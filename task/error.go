package task

import "strconv"

// Code names a refusal in a way that programs can rely on. The API has one
// table from Code to HTTP status.
type Code string

// The codes.
const (
	CodeInvalidRequest       Code = "invalid_request"
	CodeInvalidExpression    Code = "invalid_expression"
	CodeBodyTooLarge         Code = "body_too_large"
	CodeUnsupportedMediaType Code = "unsupported_media_type"
	CodeNotFound             Code = "not_found"
	CodeMethodNotAllowed     Code = "method_not_allowed"
	CodeInternal             Code = "internal"

	CodeFullCapacity   Code = "full_capacity"
	CodeQueueFull      Code = "queue_full"
	CodeNoSlaveForKind Code = "no_slave_for_kind"
	CodeOverloaded     Code = "overloaded"
	CodeDiskLow        Code = "disk_low"
	CodeRetentionFull  Code = "retention_full"
	CodeUpgradeNeeded  Code = "upgrade_needed"

	CodeTooManyExports Code = "too_many_exports"
	CodeTooManyStreams Code = "too_many_streams"
	// CodeUnknownHost: the request calls this server by a name that is not known to be
	// its own, as a web page would that had its own name lead here.
	CodeUnknownHost Code = "unknown_host"

	CodeTaskNotFound  Code = "task_not_found"
	CodeTaskForgotten Code = "task_forgotten"
	CodeNotPending    Code = "not_pending"
	CodeStaleAttempt  Code = "stale_attempt"
	CodeKeyReused     Code = "key_reused"
	CodeNotDone       Code = "not_done"
	CodeAlreadyDone   Code = "already_done"

	CodeSlaveNotFound    Code = "slave_not_found"
	CodeSlaveUnreachable Code = "slave_unreachable"
	CodeSlaveNotAlive    Code = "slave_not_alive"
	CodeSlaveFull        Code = "slave_full"
	CodeSlaveBusy        Code = "slave_busy"
	CodeNameTaken        Code = "name_taken"
	CodeKindConflict     Code = "kind_conflict"
	CodeNotResizable     Code = "not_resizable"
	CodeLabelsMissing    Code = "labels_missing"
	CodeWrongIncarnation Code = "wrong_incarnation"

	CodeNotLeader       Code = "not_leader"
	CodeNoLeader        Code = "no_leader"
	CodeOutcomeUnknown  Code = "outcome_unknown"
	CodeStaleTerm       Code = "stale_term"
	CodeIndexNotReached Code = "index_not_reached"
	CodeShuttingDown    Code = "shutting_down"
	CodeStalled         Code = "stalled"

	CodeMasterNotFound    Code = "master_not_found"
	CodeMasterUnreachable Code = "master_unreachable"
	CodeIDTaken           Code = "id_taken"
	CodeAddressTaken      Code = "address_taken"
	CodeWrongCluster      Code = "wrong_cluster"
	CodeNotCaughtUp       Code = "not_caught_up"
	CodeQuorumAtRisk      Code = "quorum_at_risk"
	CodeMembershipBusy    Code = "membership_busy"
)

// Error is a refusal: an answer, not an accident. The state machine's refusals
// are Errors, equal on every replica.
type Error struct {
	Code    Code
	Message string // a sentence: what was tried, with what, what to do next

	// Capacity is set for CodeFullCapacity.
	Capacity *Capacity
	// Asked is the dialogue that found no slave for a submit, if its client wanted to
	// know it.
	Asked []Asked
	// Task is set for CodeKeyReused, CodeStaleAttempt and CodeAlreadyDone: the task
	// in question.
	Task ID
	// Leader is the leader's API URL, for CodeNotLeader, where it is known.
	Leader string
	// RetryAfter is in how many seconds to try again, where that is known; 0: it is not.
	RetryAfter int
}

// Error returns the message, for people; it starts with the code.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is(err, &Error{Code: c}) match by code alone.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Message == ""
}

// Refuse returns an Error with a code and a sentence.
func Refuse(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// String returns the decimal number.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 10) }
