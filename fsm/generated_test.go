package fsm

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"muster/fsm/logpb"
	"muster/task"
)

// This file writes commands and records with the generated code, as earlier versions of
// this program do. The tests hold the encoder against it.

// encodeGenerated is Encode by the generated code.
func encodeGenerated(e Envelope) ([]byte, error) {
	envelope := &logpb.Envelope{Version: EnvelopeVersion, Term: e.Term, Stamp: int64(e.Stamp)}
	for _, p := range e.Proposals {
		body, err := encodeCommand(p.Command)
		if err != nil {
			return nil, err
		}
		envelope.Items = append(envelope.Items, &logpb.Item{Term: p.Term, Number: uint32(p.Command.Number()), Body: body})
	}
	return marshal(envelope)
}

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

func headerOut(v *View) *logpb.Header {
	return &logpb.Header{
		Index:      v.index,
		LastSlave:  v.lastSlave,
		Submitted:  v.counts.Submitted,
		Pending:    v.counts.Pending,
		InProgress: v.counts.InProgress,
		Done:       v.counts.Done,
		Slaves:     uint64(v.order.Len()),
		Masters:    uint64(v.masters.Len()),
		Tasks:      v.counts.Pending + v.counts.InProgress + v.counts.Done - v.counts.Forgotten,
		Forgotten:  v.counts.Forgotten,
	}
}

func (c *converter) taskOut(t *task.Task) *logpb.Task {
	spec, terms, conditions := c.specOut(t.Spec)
	return &logpb.Task{
		Id:          uint64(t.ID),
		Spec:        spec,
		Key:         t.Key,
		Status:      c.statusOut(t.Status),
		Outcome:     c.outcomeOut(t.Outcome),
		Result:      c.valueOut(t.Result),
		Error:       t.Error,
		Slave:       t.Slave,
		Incarnation: t.Incarnation,
		Attempt:     t.Attempt,
		Tries:       t.Tries,
		ReadyAt:     int64(t.ReadyAt),
		SubmittedAt: int64(t.SubmittedAt),
		StartedAt:   int64(t.StartedAt),
		FinishedAt:  int64(t.FinishedAt),
		Index:       t.Index,
		Terms:       terms,
		Conditions:  conditions,
	}
}

func (c *converter) slaveOut(s *task.Slave) *logpb.Slave {
	return &logpb.Slave{
		Name:         s.Name,
		Url:          s.URL,
		Slots:        c.count("number of slots", s.Slots),
		Busy:         c.count("number of busy slots", s.Busy),
		State:        c.stateOut(s.State),
		Incarnation:  s.Incarnation,
		Kinds:        kindsOut(s.Kinds),
		Labels:       labelsOut(s.Labels),
		Version:      s.Version,
		Drained:      s.Drained,
		Order:        s.Order,
		RegisteredAt: int64(s.RegisteredAt),
		Index:        s.Index,
	}
}

func masterOut(m *task.Master) *logpb.Master {
	return &logpb.Master{
		Id:          m.ID,
		RaftAddress: m.RaftAddress,
		ApiUrl:      m.APIURL,
		Commands:    m.Commands,
		Index:       m.Index,
	}
}

func (c *converter) outcomeOut(o task.Outcome) logpb.Outcome {
	return convertEnum(c, "outcome", o, logpb.Outcome_OUTCOME_LOST)
}

func (c *converter) statusOut(s task.Status) logpb.Status {
	return convertEnum(c, "status", s, logpb.Status_STATUS_DONE)
}

func (c *converter) stateOut(s task.SlaveState) logpb.SlaveState {
	return convertEnum(c, "slave state", s, logpb.SlaveState_SLAVE_STATE_LEFT)
}

// count converts a number of slots. The log has 32 bits for it.
func (c *converter) count(what string, n int) uint32 {
	if n < 0 || n > math.MaxInt32 {
		c.failf("%s %d is out of range", what, n)
		return 0
	}
	return uint32(n)
}

func (c *converter) valueOut(v task.Value) *logpb.Value {
	if v == (task.Value{}) {
		return nil
	}
	return &logpb.Value{
		Type: convertEnum(c, "value type", v.Type, logpb.ValueType_VALUE_TYPE_BOOLEAN),
		Text: v.Text,
	}
}

// specOut is the inverse of specIn.
func (c *converter) specOut(s task.Spec) (*logpb.Spec, *logpb.Terms, *logpb.Conditions) {
	spec := &logpb.Spec{
		Kind:       s.Kind,
		Expression: s.Expression,
		Idempotent: s.Idempotent,
		MaxTries:   s.MaxTries,
		TimeoutMs:  s.TimeoutMS,
		RetryOf:    uint64(s.RetryOf),
	}
	for _, p := range s.Parameters {
		spec.Parameters = append(spec.Parameters, &logpb.Parameter{Name: p.Name, Value: c.valueOut(p.Value)})
	}
	var terms *logpb.Terms
	if s.Priority != 0 {
		terms = &logpb.Terms{Priority: uint32(c.priorityIn(uint32(s.Priority)))}
	}
	conditions := &logpb.Conditions{
		NotBefore: momentOut(s.NotBefore),
		Deadline:  momentOut(s.Deadline),
		BackoffMs: s.BackoffMS,
		Labels:    labelsOut(s.Labels),
		Requires:  labelsOut(s.Requires),
	}
	if proto.Size(conditions) == 0 {
		conditions = nil
	}
	return spec, terms, conditions
}

func momentOut(m task.Moment) *logpb.Moment {
	if m.IsZero() {
		return nil
	}
	return &logpb.Moment{At: int64(m.At), AfterMs: m.AfterMS}
}

func labelsOut(list []task.Label) []*logpb.Label {
	var labels []*logpb.Label
	for _, l := range list {
		labels = append(labels, &logpb.Label{Name: l.Name, Value: l.Value})
	}
	return labels
}

func idsOut(list []task.ID) []uint64 {
	var ids []uint64
	for _, id := range list {
		ids = append(ids, uint64(id))
	}
	return ids
}

func attemptOut(a task.Attempt) *logpb.Attempt {
	return &logpb.Attempt{Id: uint64(a.ID), Attempt: a.Attempt, Slave: a.Slave, Incarnation: a.Incarnation}
}

func attemptsOut(list []task.Attempt) []*logpb.Attempt {
	var attempts []*logpb.Attempt
	for _, a := range list {
		attempts = append(attempts, attemptOut(a))
	}
	return attempts
}

func placeOut(p Place) *logpb.Place {
	return &logpb.Place{Slave: p.Slave, Incarnation: p.Incarnation}
}

func kindsOut(list []task.Kind) []*logpb.Kind {
	var kinds []*logpb.Kind
	for _, k := range list {
		kinds = append(kinds, &logpb.Kind{Name: k.Name, Idempotent: k.Idempotent})
	}
	return kinds
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m) //nolint:wrapcheck // the callers say what they encode
}
