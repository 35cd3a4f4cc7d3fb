package fsm

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"muster/fsm/logpb"
	"muster/task"
)

// Encode returns the log entry for an envelope. It fails for what no Decode
// would accept, such as an outcome that does not exist.
func Encode(x Envelope) ([]byte, error) {
	count := encoder{counting: true}
	count.envelope(&x)
	if count.err != nil {
		return nil, count.err
	}
	e := encoder{out: make([]byte, 0, count.size+2)} // and the body that item may cut
	e.envelope(&x)
	return e.out, e.err
}

// Measure returns how many bytes proposals take in a log entry. It fails where Encode
// would.
func Measure(proposals []Proposal) (int, error) {
	count := encoder{counting: true}
	count.envelope(&Envelope{Proposals: proposals})
	return count.size, count.err
}

// Size returns about how many bytes a command takes in a log entry.
func Size(c Command) int {
	count := encoder{counting: true}
	count.item(&Proposal{Term: 1 << 14, Command: c})
	return count.size
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

func unmarshal(b []byte, m proto.Message) error {
	if err := proto.Unmarshal(b, m); err != nil {
		return err //nolint:wrapcheck // the callers say what they decode
	}
	return unknownField(m.ProtoReflect())
}
