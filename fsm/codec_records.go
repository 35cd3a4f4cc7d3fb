package fsm

import (
	"muster/fsm/logpb"
	"muster/task"
)

// This file converts what snapshots hold. Fields of task.Slave and task.Master
// that are known to one node alone (LastSeenAt; Role, Voter) are not part of
// the replicated state.

func (c *converter) taskIn(t *logpb.Task) task.Task {
	return task.Task{
		ID:          task.ID(t.GetId()),
		Spec:        c.specIn(t.GetSpec(), t.GetTerms(), t.GetConditions()),
		Key:         t.GetKey(),
		Status:      c.statusIn(t.GetStatus()),
		Outcome:     c.outcomeIn(t.GetOutcome()),
		Result:      c.valueIn(t.GetResult()),
		Error:       t.GetError(),
		Slave:       t.GetSlave(),
		Incarnation: t.GetIncarnation(),
		Attempt:     t.GetAttempt(),
		Tries:       t.GetTries(),
		ReadyAt:     task.Millis(t.GetReadyAt()),
		SubmittedAt: task.Millis(t.GetSubmittedAt()),
		StartedAt:   task.Millis(t.GetStartedAt()),
		FinishedAt:  task.Millis(t.GetFinishedAt()),
		Index:       t.GetIndex(),
	}
}

func (c *converter) slaveIn(s *logpb.Slave) task.Slave {
	return task.Slave{
		Name:         s.GetName(),
		URL:          s.GetUrl(),
		Slots:        c.countIn("number of slots", s.GetSlots()),
		Busy:         c.countIn("number of busy slots", s.GetBusy()),
		State:        c.stateIn(s.GetState()),
		Incarnation:  s.GetIncarnation(),
		Kinds:        kindsIn(s.GetKinds()),
		Labels:       labelsIn(s.GetLabels()),
		Version:      s.GetVersion(),
		Drained:      s.GetDrained(),
		Order:        s.GetOrder(),
		RegisteredAt: task.Millis(s.GetRegisteredAt()),
		Index:        s.GetIndex(),
	}
}

func masterIn(m *logpb.Master) task.Master {
	return task.Master{
		ID:          m.GetId(),
		RaftAddress: m.GetRaftAddress(),
		APIURL:      m.GetApiUrl(),
		Commands:    m.GetCommands(),
		Index:       m.GetIndex(),
	}
}
