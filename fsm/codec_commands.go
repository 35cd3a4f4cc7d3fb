package fsm

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"muster/fsm/logpb"
	"muster/task"
)

// encodeCommand returns the body of a command.
func encodeCommand(command Command) ([]byte, error) {
	if command == nil {
		return nil, errors.New("there is no command")
	}
	var c converter
	m := c.commandOut(command)
	if c.err != nil {
		return nil, fmt.Errorf("%T: %w", command, c.err)
	}
	body, err := marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%T: %w", command, err)
	}
	return body, nil
}

// commandOut is one case for each command; decodeCommand has the inverse.
func (c *converter) commandOut(command Command) proto.Message {
	switch x := command.(type) {
	case SubmitTask:
		var assign *logpb.Place
		if x.Assign != nil {
			assign = placeOut(*x.Assign)
		}
		spec, terms, conditions := c.specOut(x.Spec)
		switch {
		case conditions != nil:
			return &logpb.SubmitTaskOnConditions{Spec: spec, Key: x.Key, Assign: assign, Terms: terms, Conditions: conditions}
		case terms != nil:
			return &logpb.SubmitTaskOnTerms{Spec: spec, Key: x.Key, Assign: assign, Terms: terms}
		default:
			return &logpb.SubmitTask{Spec: spec, Key: x.Key, Assign: assign}
		}
	case AssignTask:
		return &logpb.AssignTask{Attempt: attemptOut(x.Attempt)}
	case CompleteTask:
		if x.Result.ID != x.Attempt.ID || x.Result.Attempt != x.Attempt.Attempt {
			c.failf("the result is of attempt %d of task %d, the command of attempt %d of task %d",
				x.Result.Attempt, x.Result.ID, x.Attempt.Attempt, x.Attempt.ID)
		}
		return &logpb.CompleteTask{
			Attempt:   attemptOut(x.Attempt),
			Outcome:   c.outcomeOut(x.Result.Outcome),
			Value:     c.valueOut(x.Result.Value),
			Error:     x.Result.Error,
			Retryable: x.Result.Retryable,
		}
	case GiveUpAttempt:
		return &logpb.GiveUpAttempt{Attempt: attemptOut(x.Attempt), Began: x.Began, Reason: x.Reason}
	case RegisterSlave:
		return c.registerOut(x)
	case LoseSlave:
		return &logpb.LoseSlave{Place: placeOut(x.Place), Reason: x.Reason, Begun: attemptsOut(x.Begun)}
	case LeaveSlave:
		return &logpb.LeaveSlave{Place: placeOut(x.Place), Begun: attemptsOut(x.Begun)}
	case PutMaster:
		return &logpb.PutMaster{Id: x.ID, RaftAddress: x.RaftAddress, ApiUrl: x.APIURL, Commands: x.Commands}
	case RemoveMaster:
		return &logpb.RemoveMaster{Id: x.ID}
	case CancelTask:
		return &logpb.CancelTask{Id: uint64(x.ID)}
	case ExpireTask:
		return &logpb.ExpireTask{Id: uint64(x.ID)}
	case DrainSlave:
		return &logpb.DrainSlave{Slave: x.Slave}
	case UndrainSlave:
		return &logpb.UndrainSlave{Slave: x.Slave}
	case RemoveSlave:
		return &logpb.RemoveSlave{Slave: x.Slave, Force: x.Force, Begun: attemptsOut(x.Begun)}
	case ForgetTasks:
		return &logpb.ForgetTasks{UpTo: uint64(x.UpTo), Keep: idsOut(x.Keep)}
	default:
		c.failf("this type of command has no shape in the log")
		return nil
	}
}

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

func (c *converter) registerOut(x RegisterSlave) proto.Message {
	m := &logpb.RegisterSlaveInFull{
		Name:        x.Registration.Name,
		Url:         x.Registration.URL,
		Slots:       c.count("number of slots", x.Registration.Slots),
		Incarnation: x.Registration.Incarnation,
		Kinds:       kindsOut(x.Registration.Kinds),
		Begun:       attemptsOut(x.Begun),
		Labels:      labelsOut(x.Registration.Labels),
		Version:     x.Registration.Version,
	}
	if x.InFull {
		return m
	}
	if len(m.GetLabels()) > 0 || m.GetVersion() != "" {
		c.failf("a slave with labels or a version is registered in full or not at all")
	}
	return &logpb.RegisterSlave{
		Name: m.GetName(), Url: m.GetUrl(), Slots: m.GetSlots(), Incarnation: m.GetIncarnation(), Kinds: m.GetKinds(), Begun: m.GetBegun(),
	}
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
