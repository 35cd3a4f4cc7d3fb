package fsm

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"muster/fsm/logpb"
	"muster/task"
)

// decodeCommand is the inverse of encodeCommand.
func decodeCommand(n Number, body []byte) (Command, error) {
	var c converter
	command, err := c.commandIn(n, body)
	if err == nil {
		err = c.err
	}
	if err != nil {
		return nil, fmt.Errorf("command number %d: %w", n, err)
	}
	return command, nil
}

func (c *converter) commandIn(n Number, body []byte) (Command, error) {
	switch n {
	case NumberSubmitTask:
		return decodeAs(body, func(m *logpb.SubmitTask) Command { return c.submitIn(m, nil, nil) })
	case NumberSubmitTaskOnTerms:
		return decodeAs(body, func(m *logpb.SubmitTaskOnTerms) Command { return c.submitIn(m, m.GetTerms(), nil) })
	case NumberSubmitTaskOnConditions:
		return decodeAs(body, func(m *logpb.SubmitTaskOnConditions) Command {
			return c.submitIn(m, m.GetTerms(), m.GetConditions())
		})
	case NumberAssignTask:
		return decodeAs(body, func(m *logpb.AssignTask) Command {
			return AssignTask{Attempt: attemptIn(m.GetAttempt())}
		})
	case NumberCompleteTask:
		return decodeAs(body, c.completeIn)
	case NumberGiveUpAttempt:
		return decodeAs(body, func(m *logpb.GiveUpAttempt) Command {
			return GiveUpAttempt{Attempt: attemptIn(m.GetAttempt()), Began: m.GetBegan(), Reason: m.GetReason()}
		})
	case NumberRegisterSlave:
		return decodeAs(body, func(m *logpb.RegisterSlave) Command { return c.registerIn(m) })
	case NumberRegisterSlaveInFull:
		return decodeAs(body, c.registerInFullIn)
	case NumberLoseSlave:
		return decodeAs(body, func(m *logpb.LoseSlave) Command {
			return LoseSlave{Place: placeIn(m.GetPlace()), Reason: m.GetReason(), Begun: attemptsIn(m.GetBegun())}
		})
	case NumberLeaveSlave:
		return decodeAs(body, func(m *logpb.LeaveSlave) Command {
			return LeaveSlave{Place: placeIn(m.GetPlace()), Begun: attemptsIn(m.GetBegun())}
		})
	case NumberPutMaster:
		return decodeAs(body, func(m *logpb.PutMaster) Command {
			return PutMaster{ID: m.GetId(), RaftAddress: m.GetRaftAddress(), APIURL: m.GetApiUrl(), Commands: m.GetCommands()}
		})
	case NumberRemoveMaster:
		return decodeAs(body, func(m *logpb.RemoveMaster) Command { return RemoveMaster{ID: m.GetId()} })
	case NumberCancelTask:
		return decodeAs(body, func(m *logpb.CancelTask) Command { return CancelTask{ID: task.ID(m.GetId())} })
	case NumberExpireTask:
		return decodeAs(body, func(m *logpb.ExpireTask) Command { return ExpireTask{ID: task.ID(m.GetId())} })
	case NumberDrainSlave:
		return decodeAs(body, func(m *logpb.DrainSlave) Command { return DrainSlave{Slave: m.GetSlave()} })
	case NumberUndrainSlave:
		return decodeAs(body, func(m *logpb.UndrainSlave) Command { return UndrainSlave{Slave: m.GetSlave()} })
	case NumberRemoveSlave:
		return decodeAs(body, func(m *logpb.RemoveSlave) Command {
			return RemoveSlave{Slave: m.GetSlave(), Force: m.GetForce(), Begun: attemptsIn(m.GetBegun())}
		})
	case NumberForgetTasks:
		return decodeAs(body, func(m *logpb.ForgetTasks) Command {
			return ForgetTasks{UpTo: task.ID(m.GetUpTo()), Keep: idsIn(m.GetKeep())}
		})
	default:
		return nil, fmt.Errorf("unknown, and the highest that this build knows is %d; run a newer build", HighestNumber)
	}
}

// submitIn reads what all forms of the command have.
func (c *converter) submitIn(m interface {
	GetSpec() *logpb.Spec
	GetKey() string
	GetAssign() *logpb.Place
}, terms *logpb.Terms, conditions *logpb.Conditions,
) Command {
	x := SubmitTask{Spec: c.specIn(m.GetSpec(), terms, conditions), Key: m.GetKey()}
	if m.GetAssign() != nil {
		place := placeIn(m.GetAssign())
		x.Assign = &place
	}
	return x
}

func (c *converter) completeIn(m *logpb.CompleteTask) Command {
	a := attemptIn(m.GetAttempt())
	return CompleteTask{Attempt: a, Result: task.Result{
		ID:        a.ID,
		Attempt:   a.Attempt,
		Outcome:   c.outcomeIn(m.GetOutcome()),
		Value:     c.valueIn(m.GetValue()),
		Error:     m.GetError(),
		Retryable: m.GetRetryable(),
	}}
}

func (c *converter) registerInFullIn(m *logpb.RegisterSlaveInFull) Command {
	x := c.registerIn(m)
	x.Registration.Labels, x.Registration.Version = labelsIn(m.GetLabels()), m.GetVersion()
	x.InFull = true
	return x
}

// registerIn reads what both forms of the command have.
func (c *converter) registerIn(m interface {
	GetName() string
	GetUrl() string
	GetSlots() uint32
	GetIncarnation() string
	GetKinds() []*logpb.Kind
	GetBegun() []*logpb.Attempt
},
) RegisterSlave {
	return RegisterSlave{
		Registration: task.Registration{
			Name:        m.GetName(),
			URL:         m.GetUrl(),
			Slots:       c.countIn("number of slots", m.GetSlots()),
			Incarnation: m.GetIncarnation(),
			Kinds:       kindsIn(m.GetKinds()),
		},
		Begun: attemptsIn(m.GetBegun()),
	}
}

// decodeAs unmarshals a body into a message and converts it.
func decodeAs[T any, M interface {
	*T
	proto.Message
}](body []byte, convert func(M) Command) (Command, error) {
	m := M(new(T))
	if err := unmarshal(body, m); err != nil {
		return nil, err
	}
	return convert(m), nil
}
