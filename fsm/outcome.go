package fsm

import "muster/task"

// Outcome is what applying one command came to. It is equal on every replica.
type Outcome struct {
	Task     *task.Task  // of a SubmitTask and a CancelTask, as it is after it; never mutated
	Existing bool        // of a SubmitTask: the key was known; Task is that task as it was found
	Err      *task.Error // a refusal; the state did not change
	Events   []Event     // what changed, in order
}

// EventKind tells what an Event says.
type EventKind uint8

// The events. Task events carry the task as it is after the change; see Event.Then.
const (
	TaskSubmitted   EventKind = iota + 1 // a new task, pending
	TaskAssigned                         // an attempt began its way; also right after TaskSubmitted
	TaskGivenUp                          // Attempt ended without a result; the task is pending
	TaskDone                             // the task ended; Attempt is the one that ended with it
	SlaveRegistered                      // a new name, a new incarnation, or a changed entry (drained, too)
	SlaveGone                            // lost or left
	MasterPut
	MasterRemoved
	TaskStopped  // the task was ended from outside; Attempt is the one that it had, if any
	SlaveRemoved // its entry is gone; Slave is as it was
)

// Event is one change of the state, as data: whoever wants to log, count, wake
// or send reacts to it outside of Apply.
type Event struct {
	Kind    EventKind
	Task    *task.Task   // of task events; never mutated afterwards
	Attempt task.Attempt // of TaskAssigned, TaskGivenUp, TaskDone, TaskStopped
	Slave   *task.Slave  // of slave events
	Master  *task.Master // of master events
}

// Then returns the task of a task event as it was right after it. That is Task, but for a
// TaskSubmitted of a task that was assigned at once, whose Task is that of the
// TaskAssigned that follows: few look at events, and most tasks begin so.
func (e *Event) Then() *task.Task {
	if e.Kind != TaskSubmitted || e.Task == nil || e.Task.Status == task.Pending {
		return e.Task
	}
	t := *e.Task
	t.Status, t.Slave, t.Incarnation, t.Attempt, t.StartedAt = task.Pending, "", "", 0, 0
	return &t
}
