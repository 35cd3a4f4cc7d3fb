package api

import (
	"net/http"

	"muster/task"
)

// statuses is the one table from code to HTTP status. CodeNotLeader's is for an
// answer that names the leader; without one it becomes CodeNoLeader.
var statuses = map[task.Code]int{
	task.CodeInvalidRequest:       http.StatusBadRequest,
	task.CodeInvalidExpression:    http.StatusBadRequest,
	task.CodeBodyTooLarge:         http.StatusRequestEntityTooLarge,
	task.CodeUnsupportedMediaType: http.StatusUnsupportedMediaType,
	task.CodeNotFound:             http.StatusNotFound,
	task.CodeMethodNotAllowed:     http.StatusMethodNotAllowed,
	task.CodeInternal:             http.StatusInternalServerError,

	task.CodeFullCapacity:   http.StatusServiceUnavailable,
	task.CodeQueueFull:      http.StatusServiceUnavailable,
	task.CodeNoSlaveForKind: http.StatusServiceUnavailable,
	task.CodeOverloaded:     http.StatusTooManyRequests,
	task.CodeDiskLow:        http.StatusInsufficientStorage,
	task.CodeRetentionFull:  http.StatusInsufficientStorage,
	task.CodeUpgradeNeeded:  http.StatusNotImplemented,
	task.CodeTooManyExports: http.StatusServiceUnavailable,
	task.CodeTooManyStreams: http.StatusServiceUnavailable,
	task.CodeUnknownHost:    http.StatusMisdirectedRequest,

	task.CodeTaskNotFound:  http.StatusNotFound,
	task.CodeTaskForgotten: http.StatusGone,
	task.CodeNotPending:    http.StatusConflict,
	task.CodeStaleAttempt:  http.StatusConflict,
	task.CodeKeyReused:     http.StatusConflict,
	task.CodeNotDone:       http.StatusConflict,
	task.CodeAlreadyDone:   http.StatusConflict,

	task.CodeSlaveNotFound:    http.StatusNotFound,
	task.CodeSlaveUnreachable: http.StatusUnprocessableEntity,
	task.CodeSlaveNotAlive:    http.StatusConflict,
	task.CodeSlaveFull:        http.StatusConflict,
	task.CodeSlaveBusy:        http.StatusConflict,
	task.CodeNameTaken:        http.StatusConflict,
	task.CodeKindConflict:     http.StatusConflict,
	task.CodeNotResizable:     http.StatusNotImplemented,
	task.CodeLabelsMissing:    http.StatusConflict,
	task.CodeWrongIncarnation: http.StatusConflict,

	task.CodeNotLeader:       http.StatusTemporaryRedirect,
	task.CodeNoLeader:        http.StatusServiceUnavailable,
	task.CodeOutcomeUnknown:  http.StatusServiceUnavailable,
	task.CodeStaleTerm:       http.StatusConflict,
	task.CodeIndexNotReached: http.StatusGatewayTimeout,
	task.CodeShuttingDown:    http.StatusServiceUnavailable,
	task.CodeStalled:         http.StatusServiceUnavailable,

	task.CodeMasterNotFound:    http.StatusNotFound,
	task.CodeMasterUnreachable: http.StatusUnprocessableEntity,
	task.CodeIDTaken:           http.StatusConflict,
	task.CodeAddressTaken:      http.StatusConflict,
	task.CodeWrongCluster:      http.StatusConflict,
	task.CodeNotCaughtUp:       http.StatusServiceUnavailable,
	task.CodeQuorumAtRisk:      http.StatusConflict,
	task.CodeMembershipBusy:    http.StatusConflict,
}

// retryable tells which refusals say when to come back.
func retryable(code task.Code) bool {
	switch code {
	case task.CodeFullCapacity, task.CodeQueueFull, task.CodeRetentionFull, task.CodeNoSlaveForKind, task.CodeOverloaded, task.CodeNoLeader, task.CodeOutcomeUnknown,
		task.CodeIndexNotReached, task.CodeShuttingDown, task.CodeStalled, task.CodeMembershipBusy,
		task.CodeNotCaughtUp, task.CodeTooManyExports, task.CodeTooManyStreams:
		return true
	default:
		return false
	}
}
