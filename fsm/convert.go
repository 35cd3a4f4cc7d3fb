package fsm

import (
	"fmt"
	"math"

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

func (c *converter) statusIn(s logpb.Status) task.Status {
	return convertEnum(c, "status", s, task.Done)
}

func (c *converter) stateIn(s logpb.SlaveState) task.SlaveState {
	return convertEnum(c, "slave state", s, task.SlaveLeft)
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

func momentIn(m *logpb.Moment) task.Moment {
	return task.Moment{At: task.Millis(m.GetAt()), AfterMS: m.GetAfterMs()}
}

func labelsIn(list []*logpb.Label) []task.Label {
	var labels []task.Label
	for _, l := range list {
		labels = append(labels, task.Label{Name: l.GetName(), Value: l.GetValue()})
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

func attemptIn(a *logpb.Attempt) task.Attempt {
	return task.Attempt{
		ID:          task.ID(a.GetId()),
		Attempt:     a.GetAttempt(),
		Slave:       a.GetSlave(),
		Incarnation: a.GetIncarnation(),
	}
}

func attemptsIn(list []*logpb.Attempt) []task.Attempt {
	var attempts []task.Attempt
	for _, a := range list {
		attempts = append(attempts, attemptIn(a))
	}
	return attempts
}

func placeIn(p *logpb.Place) Place {
	return Place{Slave: p.GetSlave(), Incarnation: p.GetIncarnation()}
}

func kindsIn(list []*logpb.Kind) []task.Kind {
	var kinds []task.Kind
	for _, k := range list {
		kinds = append(kinds, task.Kind{Name: k.GetName(), Idempotent: k.GetIdempotent()})
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
