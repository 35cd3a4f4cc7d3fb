package fsm

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"muster/fsm/logpb"
	"muster/task"
)

// Encode returns the log entry for an envelope. It fails for what no Decode
// would accept, such as an outcome that does not exist.
func Encode(e Envelope) ([]byte, error) {
	envelope := &logpb.Envelope{
		Version: EnvelopeVersion,
		Term:    e.Term,
		Stamp:   int64(e.Stamp),
		Items:   make([]*logpb.Item, 0, len(e.Proposals)),
	}
	for i, p := range e.Proposals {
		body, err := encodeCommand(p.Command)
		if err != nil {
			return nil, fmt.Errorf("encode command %d of %d: %w", i+1, len(e.Proposals), err)
		}
		envelope.Items = append(envelope.Items, &logpb.Item{
			Term:   p.Term,
			Number: uint32(p.Command.Number()),
			Body:   body,
		})
	}
	entry, err := marshal(envelope)
	if err != nil {
		return nil, fmt.Errorf("encode an envelope of %d commands: %w", len(e.Proposals), err)
	}
	return entry, nil
}

// Decode is the inverse of Encode. An unknown version, command number, field or
// value of an enumeration is an error, and the node must stop: to ignore it
// would let this replica differ from those that understand it.
func Decode(entry []byte) (Envelope, error) {
	if e, ok := plainEnvelope(entry); ok {
		return e, nil
	}
	return decode(entry)
}

// decode is Decode for what is not plain.
func decode(entry []byte) (Envelope, error) {
	envelope := new(logpb.Envelope)
	if err := unmarshal(entry, envelope); err != nil {
		return Envelope{}, fmt.Errorf("decode a log entry of %d bytes: %w", len(entry), err)
	}
	if v := envelope.GetVersion(); v != EnvelopeVersion {
		return Envelope{}, fmt.Errorf("decode a log entry: its version is %d and this build knows %d; run a newer build", v, EnvelopeVersion)
	}
	e := Envelope{Term: envelope.GetTerm(), Stamp: task.Millis(envelope.GetStamp())}
	if n := len(envelope.GetItems()); n > 0 {
		e.Proposals = make([]Proposal, 0, n)
	}
	for i, item := range envelope.GetItems() {
		c, err := decodeCommand(Number(item.GetNumber()), item.GetBody())
		if err != nil {
			return Envelope{}, fmt.Errorf("decode command %d of %d: %w", i+1, len(envelope.GetItems()), err)
		}
		e.Proposals = append(e.Proposals, Proposal{Term: item.GetTerm(), Command: c})
	}
	return e, nil
}

func marshal(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m) //nolint:wrapcheck // the callers say what they encode
}

func unmarshal(b []byte, m proto.Message) error {
	if err := proto.Unmarshal(b, m); err != nil {
		return err //nolint:wrapcheck // the callers say what they decode
	}
	return unknownField(m.ProtoReflect())
}
