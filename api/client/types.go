package client

import (
	"encoding/json"

	"muster/api/wire"
	"muster/task"
)

// The shapes of the API, as package wire has them.
type (
	// Task is one task.
	Task = wire.Task
	// TaskPage is one page of a list.
	TaskPage = wire.TaskPage
	// TaskStatus is how far a task is.
	TaskStatus = wire.TaskStatus
	// Outcome is how a done task ended.
	Outcome = wire.Outcome
	// Submission is what to do.
	Submission = wire.Submission
	// BatchItem is a Submission of a batch.
	BatchItem = wire.BatchItem
	// BatchResult is what became of a BatchItem.
	BatchResult = wire.BatchResult
	// Retry says how a Submission is tried again.
	Retry = wire.Retry
	// Submitted is the answer to a Submission.
	Submitted = wire.Submitted
	// Asked is one line of the dialogue that found a slave.
	Asked = wire.Asked
	// Parameters are named values for an expression; see Parameter.
	Parameters = wire.ParameterList
	// Labels are names with values, of a task or of a slave, sorted by name.
	Labels = wire.LabelList
	// Label is one of them.
	Label = task.Label
	// Slave is one slave of the registry.
	Slave = wire.Slave
	// SlaveState is whether a slave may be given tasks.
	SlaveState = wire.SlaveState
	// Master is one master.
	Master = wire.Master
	// Role is what a master does.
	Role = wire.Role
	// JoinRequest asks a cluster to take a master in.
	JoinRequest = wire.JoinRequest
	// Joined is the answer to a JoinRequest.
	Joined = wire.Joined
	// Status describes one master.
	Status = wire.Status
	// Counts are the counters of tasks.
	Counts = wire.Counts
	// Capacity sums up the slaves that are alive.
	Capacity = wire.Capacity
	// Code names a refusal.
	Code = task.Code
)

// The statuses, outcomes, states and roles.
const (
	TaskPending    = wire.TaskStatusPending
	TaskInProgress = wire.TaskStatusInProgress
	TaskDone       = wire.TaskStatusDone

	Succeeded = wire.OutcomeSucceeded
	Failed    = wire.OutcomeFailed
	Cancelled = wire.OutcomeCancelled
	Expired   = wire.OutcomeExpired
	Lost      = wire.OutcomeLost

	SlaveAlive    = wire.SlaveStateAlive
	SlaveDraining = wire.SlaveStateDraining
	SlaveLost     = wire.SlaveStateLost
	SlaveLeft     = wire.SlaveStateLeft

	RoleLeader   = wire.RoleLeader
	RoleFollower = wire.RoleFollower
	RoleJoining  = wire.RoleJoining
)

// The codes, as package task has them.
const (
	CodeInvalidRequest    = task.CodeInvalidRequest
	CodeInvalidExpression = task.CodeInvalidExpression
	CodeBodyTooLarge      = task.CodeBodyTooLarge
	CodeNotFound          = task.CodeNotFound
	CodeInternal          = task.CodeInternal

	CodeFullCapacity   = task.CodeFullCapacity
	CodeNoSlaveForKind = task.CodeNoSlaveForKind
	CodeOverloaded     = task.CodeOverloaded
	CodeQueueFull      = task.CodeQueueFull
	CodeDiskLow        = task.CodeDiskLow
	CodeRetentionFull  = task.CodeRetentionFull
	CodeTooManyExports = task.CodeTooManyExports
	CodeTooManyStreams = task.CodeTooManyStreams
	CodeUnknownHost    = task.CodeUnknownHost

	CodeTaskNotFound  = task.CodeTaskNotFound
	CodeTaskForgotten = task.CodeTaskForgotten
	CodeStaleAttempt  = task.CodeStaleAttempt
	CodeKeyReused     = task.CodeKeyReused
	CodeNotDone       = task.CodeNotDone
	CodeAlreadyDone   = task.CodeAlreadyDone

	CodeSlaveNotFound    = task.CodeSlaveNotFound
	CodeSlaveUnreachable = task.CodeSlaveUnreachable
	CodeSlaveBusy        = task.CodeSlaveBusy
	CodeNameTaken        = task.CodeNameTaken
	CodeKindConflict     = task.CodeKindConflict
	CodeNotResizable     = task.CodeNotResizable
	CodeWrongIncarnation = task.CodeWrongIncarnation

	CodeNotLeader       = task.CodeNotLeader
	CodeNoLeader        = task.CodeNoLeader
	CodeOutcomeUnknown  = task.CodeOutcomeUnknown
	CodeIndexNotReached = task.CodeIndexNotReached
	CodeShuttingDown    = task.CodeShuttingDown
	CodeStalled         = task.CodeStalled

	CodeMasterNotFound    = task.CodeMasterNotFound
	CodeMasterUnreachable = task.CodeMasterUnreachable
	CodeIDTaken           = task.CodeIDTaken
	CodeAddressTaken      = task.CodeAddressTaken
	CodeWrongCluster      = task.CodeWrongCluster
	CodeNotCaughtUp       = task.CodeNotCaughtUp
	CodeQuorumAtRisk      = task.CodeQuorumAtRisk
	CodeMembershipBusy    = task.CodeMembershipBusy
)

// Parameter reads a value as people write it: what JSON would read as a number,
// a string in quotes, true or false is that; anything else is a string.
func Parameter(name, text string) task.Parameter {
	v := task.Value{Type: task.String, Text: text}
	var decoded any
	if json.Unmarshal([]byte(text), &decoded) == nil {
		switch d := decoded.(type) {
		case float64:
			v.Type = task.Number
			var n json.Number // without white space, with all digits
			if json.Unmarshal([]byte(text), &n) == nil {
				v.Text = n.String()
			}
		case bool:
			v.Type = task.Boolean
			v.Text = "false"
			if d {
				v.Text = "true"
			}
		case string:
			v.Text = d
		}
	}
	return task.Parameter{Name: name, Value: v}
}
