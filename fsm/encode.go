package fsm

import (
	"fmt"
	"math"
	"math/bits"
)

// encoder appends messages of logpb in their plain form (decode.go), byte for byte as
// the generated code would write them. While it counts it only adds up how long they
// would be.
//
// It keeps the first thing that has no counterpart in the log, so that what it is told
// to write reads as a plain list of fields.
type encoder struct {
	out      []byte
	size     int // bytes, while it counts
	counting bool
	err      error
}

func (e *encoder) failf(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// varintBytes is how long a number is.
func varintBytes(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func (e *encoder) varint(v uint64) {
	if e.counting {
		e.size += varintBytes(v)
		return
	}
	for v >= 0x80 {
		e.out = append(e.out, byte(v)|0x80)
		v >>= 7
	}
	e.out = append(e.out, byte(v))
}

func (e *encoder) tag(field, wire uint) { e.varint(uint64(field<<3 | wire)) }

// number writes a field that is a number, unless it is 0.
func (e *encoder) number(field uint, v uint64) {
	if v != 0 {
		e.tag(field, wireNumber)
		e.varint(v)
	}
}

func (e *encoder) flag(field uint, on bool) {
	if on {
		e.number(field, 1)
	}
}

// enum writes a value of an enumeration, which has the same numbers in the log and in
// package task; a test compares the names.
func (e *encoder) enum(field uint, what string, v, highest uint64) {
	if v > highest {
		e.failf("%s %d is unknown", what, v)
	}
	e.number(field, v)
}

// count writes a number of slots. The log has 32 bits for it.
func (e *encoder) count(field uint, what string, n int) {
	if n < 0 || n > math.MaxInt32 {
		e.failf("%s %d is out of range", what, n)
	}
	e.number(field, uint64(n))
}

// text writes a text, unless it is empty.
func (e *encoder) text(field uint, s string) {
	if s == "" {
		return
	}
	e.tag(field, wireBytes)
	e.varint(uint64(len(s)))
	if e.counting {
		e.size += len(s)
		return
	}
	e.out = append(e.out, s...)
}

// length is how long what was written is.
func (e *encoder) length() int { return e.size + len(e.out) }

// begin begins a message inside, which end ends, or drop if there shall be none.
func (e *encoder) begin(field uint) (start int) {
	e.tag(field, wireBytes)
	if !e.counting {
		e.out = append(e.out, 0) // its length, if that is short
	}
	return e.length()
}

func (e *encoder) end(start int) {
	length := e.length() - start
	if e.counting {
		e.size += varintBytes(uint64(length))
		return
	}
	if more := varintBytes(uint64(length)) - 1; more > 0 {
		var room [9]byte
		e.out = append(e.out, room[:more]...)
		copy(e.out[start+more:], e.out[start:start+length])
	}
	at := start - 1
	for ; length >= 0x80; length >>= 7 {
		e.out[at] = byte(length) | 0x80
		at++
	}
	e.out[at] = byte(length)
}

// cut forgets what was written behind a length.
func (e *encoder) cut(length int) {
	if e.counting {
		e.size = length
		return
	}
	e.out = e.out[:length]
}

// envelope writes what Encode returns.
func (e *encoder) envelope(x *Envelope) {
	e.number(1, EnvelopeVersion)
	e.number(2, x.Term)
	e.number(3, uint64(x.Stamp))
	for i := range x.Proposals {
		if e.item(&x.Proposals[i]); e.err != nil {
			e.err = fmt.Errorf("encode command %d of %d: %w", i+1, len(x.Proposals), e.err)
			return
		}
	}
}

func (e *encoder) item(p *Proposal) {
	if p.Command == nil {
		e.failf("there is no command")
		return
	}
	item := e.begin(4)
	e.number(1, p.Term)
	e.number(2, uint64(p.Command.Number()))
	before := e.length()
	body := e.begin(3)
	e.command(p.Command)
	if e.length() == body {
		e.cut(before) // no field rather than an empty one
	} else {
		e.end(body)
	}
	e.end(item)
	if e.err != nil {
		e.err = fmt.Errorf("%T: %w", p.Command, e.err)
	}
}
