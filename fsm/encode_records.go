package fsm

import "muster/task"

// This file writes what snapshots hold. Fields of task.Slave and task.Master
// that are known to one node alone (LastSeenAt; Role, Voter) are not part of
// the replicated state.

// header writes the record that is the first of a snapshot.
func (e *encoder) header(v *View) {
	m := e.begin(recordHeader)
	e.number(1, v.index)
	e.number(2, v.lastSlave)
	e.number(3, v.counts.Submitted)
	e.number(4, v.counts.Pending)
	e.number(5, v.counts.InProgress)
	e.number(6, v.counts.Done)
	e.number(7, uint64(v.order.Len()))
	e.number(8, uint64(v.masters.Len()))
	e.number(9, v.counts.Pending+v.counts.InProgress+v.counts.Done-v.counts.Forgotten)
	e.number(10, v.counts.Forgotten)
	e.end(m)
}

func (e *encoder) slave(s *task.Slave) {
	m := e.begin(recordSlave)
	e.text(1, s.Name)
	e.text(2, s.URL)
	e.count(3, "number of slots", s.Slots)
	e.count(4, "number of busy slots", s.Busy)
	e.enum(5, "slave state", uint64(s.State), uint64(task.SlaveLeft))
	e.text(6, s.Incarnation)
	e.kinds(7, s.Kinds)
	e.number(8, s.Order)
	e.number(9, uint64(s.RegisteredAt))
	e.number(10, s.Index)
	e.flag(11, s.Drained)
	e.labels(12, s.Labels)
	e.text(13, s.Version)
	e.end(m)
}

func (e *encoder) master(x *task.Master) {
	m := e.begin(recordMaster)
	e.text(1, x.ID)
	e.text(2, x.RaftAddress)
	e.text(3, x.APIURL)
	e.number(4, uint64(x.Commands))
	e.number(5, x.Index)
	e.end(m)
}

// task writes a task, whatever its status; plainTask has the inverse.
func (e *encoder) task(t *task.Task) {
	m := e.begin(recordTask)
	e.number(1, uint64(t.ID))
	e.spec(2, &t.Spec)
	e.text(3, t.Key)
	e.enum(4, "status", uint64(t.Status), uint64(task.Done))
	e.enum(5, "outcome", uint64(t.Outcome), uint64(task.Lost))
	e.value(6, &t.Result)
	e.text(7, t.Error)
	e.text(8, t.Slave)
	e.text(9, t.Incarnation)
	e.number(10, uint64(t.Attempt))
	e.number(11, uint64(t.Tries))
	e.number(12, uint64(t.SubmittedAt))
	e.number(13, uint64(t.StartedAt))
	e.number(14, uint64(t.FinishedAt))
	e.number(15, t.Index)
	e.terms(16, &t.Spec)
	e.conditions(17, &t.Spec)
	e.number(18, uint64(t.ReadyAt))
	e.end(m)
}
