package fsm

import "muster/task"

// Nearly all of a long log, and of a large snapshot, are tasks that are submitted,
// assigned and completed. What this build wrote of them has a plain form: known fields
// in the order of their numbers, each at most once, a repeated one in a row. This file
// reads that form without reflection. Whatever is not plain (an unknown field, another
// order, a value out of range) is left to the generated code, which also says what is
// wrong with it; so the two never disagree about what is accepted.

// plain reads a message in the plain form. After it found something else it is odd,
// and what it returned is of no use.
type plain[B ~string | ~[]byte] struct {
	rest B
	odd  bool
}

// Wire types of protobuf.
const (
	wireNumber = 0
	wireBytes  = 2
)

// tag takes the tag of a field, if it is next. The tag of a field takes at most two
// bytes up to number 2047.
func (p *plain[B]) tag(field, wire uint) bool {
	t := field<<3 | wire
	switch {
	case t < 0x80:
		if len(p.rest) == 0 || p.rest[0] != byte(t) {
			return false
		}
		p.rest = p.rest[1:]
	default:
		if len(p.rest) < 2 || p.rest[0] != byte(t)|0x80 || p.rest[1] != byte(t>>7) {
			return false
		}
		p.rest = p.rest[2:]
	}
	return true
}

// varint takes a number.
func (p *plain[B]) varint() uint64 {
	var n uint64
	for i := 0; i < len(p.rest) && i < 10; i++ {
		b := p.rest[i]
		if i == 9 && b > 1 {
			break // more than 64 bits
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			p.rest = p.rest[i+1:]
			return n
		}
	}
	p.odd = true
	return 0
}

// number takes a field that is a number; 0 if it is not next.
func (p *plain[B]) number(field uint) uint64 {
	if !p.tag(field, wireNumber) {
		return 0
	}
	return p.varint()
}

// limited is number for a field that has a highest value.
func (p *plain[B]) limited(field uint, highest uint64) uint64 {
	n := p.number(field)
	if n > highest {
		p.odd = true
	}
	return n
}

func (p *plain[B]) uint32(field uint) uint32 { return uint32(p.limited(field, 1<<32-1)) }
func (p *plain[B]) flag(field uint) bool     { return p.limited(field, 1) == 1 }

// part takes a field that is a text or a message; it reports whether it was next.
func (p *plain[B]) part(field uint) (part B, ok bool) {
	if !p.tag(field, wireBytes) {
		return part, false
	}
	n := p.varint()
	if n > uint64(len(p.rest)) {
		p.odd = true
		return part, false
	}
	part, p.rest = p.rest[:n], p.rest[n:]
	return part, true
}

// text takes a text; it is empty if it is not next.
func (p *plain[B]) text(field uint) B {
	part, _ := p.part(field)
	return part
}

// message takes a message; it is empty if it is not next.
func (p *plain[B]) message(field uint) plain[B] { return plain[B]{rest: p.text(field)} }

// whole reports whether all of the message was read, and was plain.
func (p *plain[B]) whole() bool { return !p.odd && len(p.rest) == 0 }

// read ends the reading of a message inside.
func (p *plain[B]) read(inside *plain[B]) {
	if !inside.whole() {
		p.odd = true
	}
}

// plainEnvelope reads a log entry of which all commands have plain forms; it reports
// whether that is so.
func plainEnvelope(entry []byte) (e Envelope, ok bool) {
	p := plain[[]byte]{rest: entry}
	if p.uint32(1) != EnvelopeVersion {
		return e, false
	}
	e.Term, e.Stamp = p.number(2), task.Millis(p.number(3))
	if n := CountCommands(entry); n > 0 {
		e.Proposals = make([]Proposal, 0, n)
	}
	var places knownPlaces
	for {
		part, more := p.part(4)
		if !more {
			return e, p.whole()
		}
		item := plain[[]byte]{rest: part}
		proposal := Proposal{Term: item.number(1)}
		number, body := Number(item.uint32(2)), item.text(3)
		if !item.whole() {
			return e, false
		}
		if proposal.Command, ok = plainCommand(number, body, &places); !ok {
			c, err := decodeCommand(number, body)
			if err != nil {
				return e, false
			}
			proposal.Command = c
		}
		e.Proposals = append(e.Proposals, proposal)
	}
}

// CountCommands returns how many commands a log entry has, as far as it is plain. It
// does not look into them.
func CountCommands(entry []byte) int {
	p := plain[[]byte]{rest: entry}
	p.number(1)
	p.number(2)
	p.number(3)
	n := 0
	for _, ok := p.part(4); ok; _, ok = p.part(4) {
		n++
	}
	return n
}

// plainTask reads the record of a task in a snapshot; it reports whether it is one.
func plainTask(record string) (t task.Task, ok bool) {
	p := plain[string]{rest: record}
	m := p.message(4)
	t.ID = task.ID(m.number(1))
	plainSpec(&m, 2, &t.Spec)
	t.Key = m.text(3)
	t.Status = task.Status(m.limited(4, uint64(task.Done)))
	t.Outcome = task.Outcome(m.limited(5, uint64(task.Lost)))
	t.Result = plainValue(&m, 6)
	t.Error, t.Slave, t.Incarnation = m.text(7), m.text(8), m.text(9)
	t.Attempt, t.Tries = m.uint32(10), m.uint32(11)
	t.SubmittedAt, t.StartedAt, t.FinishedAt = task.Millis(m.number(12)), task.Millis(m.number(13)), task.Millis(m.number(14))
	t.Index = m.number(15)
	plainTerms(&m, 16, &t.Spec)
	plainConditions(&m, 17, &t.Spec)
	t.ReadyAt = task.Millis(m.number(18))
	p.read(&m)
	return t, len(record) > 0 && p.whole()
}
