package fsm

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"muster/fsm/logpb"
	"muster/task"
)

// converter turns the shapes of the log into those of package task and back.
// It keeps the first thing that has no counterpart on the other side, so that
// conversions read as plain lists of fields.
type converter struct {
	err error
}

func (c *converter) failf(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// An enumeration has the same numbers in the log and in package task; a test
// compares the names. What lies outside of it is refused in both directions.
func convertEnum[T, F ~int32 | ~uint8](c *converter, what string, v F, highest T) T {
	if int64(v) < 0 || int64(v) > int64(highest) {
		c.failf("%s %d is unknown", what, v)
		return 0
	}
	return T(v)
}

func (c *converter) outcomeIn(o logpb.Outcome) task.Outcome {
	return convertEnum(c, "outcome", o, task.Lost)
}

func (c *converter) outcomeOut(o task.Outcome) logpb.Outcome {
	return convertEnum(c, "outcome", o, logpb.Outcome_OUTCOME_LOST)
}

func (c *converter) statusIn(s logpb.Status) task.Status {
	return convertEnum(c, "status", s, task.Done)
}

func (c *converter) statusOut(s task.Status) logpb.Status {
	return convertEnum(c, "status", s, logpb.Status_STATUS_DONE)
}

func (c *converter) stateIn(s logpb.SlaveState) task.SlaveState {
	return convertEnum(c, "slave state", s, task.SlaveLeft)
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

func (c *converter) countIn(what string, n uint32) int {
	if n > math.MaxInt32 {
		c.failf("%s %d is out of range", what, n)
		return 0
	}
	return int(n)
}

func (c *converter) valueIn(v *logpb.Value) task.Value {
	return task.Value{
		Type: convertEnum(c, "value type", v.GetType(), task.Boolean),
		Text: v.GetText(),
	}
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

// specIn reads a Spec and what a client may have asked for besides; nil for nothing.
func (c *converter) specIn(s *logpb.Spec, terms *logpb.Terms, conditions *logpb.Conditions) task.Spec {
	spec := task.Spec{
		Kind:       s.GetKind(),
		Expression: s.GetExpression(),
		Idempotent: s.GetIdempotent(),
		MaxTries:   s.GetMaxTries(),
		TimeoutMS:  s.GetTimeoutMs(),
		RetryOf:    task.ID(s.GetRetryOf()),
		Priority:   c.priorityIn(terms.GetPriority()),
		NotBefore:  momentIn(conditions.GetNotBefore()),
		Deadline:   momentIn(conditions.GetDeadline()),
		BackoffMS:  conditions.GetBackoffMs(),
		Labels:     labelsIn(conditions.GetLabels()),
		Requires:   labelsIn(conditions.GetRequires()),
	}
	for _, p := range s.GetParameters() {
		spec.Parameters = append(spec.Parameters, task.Parameter{Name: p.GetName(), Value: c.valueIn(p.GetValue())})
	}
	return spec
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

func momentIn(m *logpb.Moment) task.Moment {
	return task.Moment{At: task.Millis(m.GetAt()), AfterMS: m.GetAfterMs()}
}

func momentOut(m task.Moment) *logpb.Moment {
	if m.IsZero() {
		return nil
	}
	return &logpb.Moment{At: int64(m.At), AfterMs: m.AfterMS}
}

func labelsIn(list []*logpb.Label) []task.Label {
	var labels []task.Label
	for _, l := range list {
		labels = append(labels, task.Label{Name: l.GetName(), Value: l.GetValue()})
	}
	return labels
}

func labelsOut(list []task.Label) []*logpb.Label {
	var labels []*logpb.Label
	for _, l := range list {
		labels = append(labels, &logpb.Label{Name: l.Name, Value: l.Value})
	}
	return labels
}

func (c *converter) priorityIn(p uint32) task.Priority {
	if p > uint32(task.MaxPriority) {
		c.failf("priority %d is out of range", p)
		return 0
	}
	return task.Priority(p)
}

func idsIn(list []uint64) []task.ID {
	var ids []task.ID
	for _, id := range list {
		ids = append(ids, task.ID(id))
	}
	return ids
}

func idsOut(list []task.ID) []uint64 {
	var ids []uint64
	for _, id := range list {
		ids = append(ids, uint64(id))
	}
	return ids
}

func attemptIn(a *logpb.Attempt) task.Attempt {
	return task.Attempt{
		ID:          task.ID(a.GetId()),
		Attempt:     a.GetAttempt(),
		Slave:       a.GetSlave(),
		Incarnation: a.GetIncarnation(),
	}
}

func attemptOut(a task.Attempt) *logpb.Attempt {
	return &logpb.Attempt{Id: uint64(a.ID), Attempt: a.Attempt, Slave: a.Slave, Incarnation: a.Incarnation}
}

func attemptsIn(list []*logpb.Attempt) []task.Attempt {
	var attempts []task.Attempt
	for _, a := range list {
		attempts = append(attempts, attemptIn(a))
	}
	return attempts
}

func attemptsOut(list []task.Attempt) []*logpb.Attempt {
	var attempts []*logpb.Attempt
	for _, a := range list {
		attempts = append(attempts, attemptOut(a))
	}
	return attempts
}

func placeIn(p *logpb.Place) Place {
	return Place{Slave: p.GetSlave(), Incarnation: p.GetIncarnation()}
}

func placeOut(p Place) *logpb.Place {
	return &logpb.Place{Slave: p.Slave, Incarnation: p.Incarnation}
}

func kindsIn(list []*logpb.Kind) []task.Kind {
	var kinds []task.Kind
	for _, k := range list {
		kinds = append(kinds, task.Kind{Name: k.GetName(), Idempotent: k.GetIdempotent()})
	}
	return kinds
}

func kindsOut(list []task.Kind) []*logpb.Kind {
	var kinds []*logpb.Kind
	for _, k := range list {
		kinds = append(kinds, &logpb.Kind{Name: k.Name, Idempotent: k.Idempotent})
	}
	return kinds
}

// unknownField returns an error if the message, or one inside it, has a field
// that this build does not know.
func unknownField(m protoreflect.Message) error {
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		return fmt.Errorf("%s has an unknown field (%d bytes)", m.Descriptor().FullName(), len(unknown))
	}
	var err error
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() == nil {
			return true
		}
		if !f.IsList() {
			err = unknownField(v.Message())
			return err == nil
		}
		for i := range v.List().Len() {
			if err = unknownField(v.List().Get(i).Message()); err != nil {
				return false
			}
		}
		return true
	})
	return err
}
