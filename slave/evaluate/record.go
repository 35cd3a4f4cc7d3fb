package evaluate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"muster/task"
)

// The slave and a child exchange records over the child's stdin and stdout: four
// bytes of length, big-endian, and so many bytes of
//
//	a verb, one byte
//	the id of the request, a varint
//	what the verb says: texts, each after its length as a varint, and bytes
//
// Both ends are the same executable, so there is one version of this. What is
// written together is read together; nothing waits for more to come.

// maxRecord is above anything that task's limits allow.
const maxRecord = 4 << 20

// lengthBytes is the length in front of a record.
const lengthBytes = 4

// Verbs of a request, and of an answer.
const (
	verbCompute = 'c' // the expression, the number of parameters, of each its name, its type and its text
	verbCancel  = 'x' // nothing more: the request with that id is to be given up

	verbValue   = 'v' // the type, the text
	verbError   = 'e' // the words
	verbStopped = 's' // nothing more: it was given up before it had a result
	verbTook    = 't' // no answer; in the place of the id: how long the last evaluations took, in ns; how many they were
)

// request asks a child to compute an order, or to give one up.
type request struct {
	id     uint64
	cancel bool
	order  task.Order // its Expression and Parameters
}

// answer is a child's answer to a request that was not a cancel.
type answer struct {
	id      uint64
	value   task.Value
	err     string
	stopped bool // the request was given up before it had a result

	evaluations uint64 // not 0: this is no answer, but says how many evaluations took how long
	took        time.Duration
}

func appendTook(b []byte, evaluations int, took time.Duration) []byte {
	begin := len(b)
	b = binary.AppendUvarint(beginRecord(b, verbTook, uint64(took)), uint64(evaluations))
	return endRecord(b, begin)
}

// beginRecord leaves room for a record's length.
func beginRecord(b []byte, verb byte, id uint64) []byte {
	return binary.AppendUvarint(append(b, 0, 0, 0, 0, verb), id)
}

// endRecord writes the length of the record that begins at a place.
func endRecord(b []byte, begin int) []byte {
	binary.BigEndian.PutUint32(b[begin:], uint32(len(b)-begin-lengthBytes))
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendCompute(b []byte, id uint64, o *task.Order) []byte {
	begin := len(b)
	b = appendText(beginRecord(b, verbCompute, id), o.Expression)
	b = binary.AppendUvarint(b, uint64(len(o.Parameters)))
	for i := range o.Parameters {
		p := &o.Parameters[i]
		b = appendText(b, p.Name)
		b = appendText(append(b, byte(p.Value.Type)), p.Value.Text)
	}
	return endRecord(b, begin)
}

// sizeOf is a bound of the size of an order's record.
func sizeOf(o *task.Order) int {
	const most = binary.MaxVarintLen64
	n := 1 + 3*most + len(o.Expression)
	for i := range o.Parameters {
		n += 1 + 2*most + len(o.Parameters[i].Name) + len(o.Parameters[i].Value.Text)
	}
	return n
}

func appendCancel(b []byte, id uint64) []byte {
	return endRecord(beginRecord(b, verbCancel, id), len(b))
}

func (a *answer) append(b []byte) []byte {
	begin := len(b)
	switch {
	case a.stopped:
		b = beginRecord(b, verbStopped, a.id)
	case a.err != "":
		b = appendText(beginRecord(b, verbError, a.id), a.err)
	default:
		b = append(beginRecord(b, verbValue, a.id), byte(a.value.Type))
		b = appendText(b, a.value.Text)
	}
	return endRecord(b, begin)
}

// errDamaged says that a record is none: the other end is not what it should be.
var errDamaged = errors.New("a record is damaged")

// fields reads what is in a record; text is a copy of it, of which the texts are parts.
type fields struct {
	text string
	bad  bool
}

func (f *fields) byte() byte {
	if f.bad || f.text == "" {
		f.bad = true
		return 0
	}
	c := f.text[0]
	f.text = f.text[1:]
	return c
}

func (f *fields) number() uint64 {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		c := f.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			f.bad = f.bad || shift == 63 && c > 1
			return n
		}
	}
	f.bad = true
	return 0
}

func (f *fields) string() string {
	n := f.number()
	if f.bad || n > uint64(len(f.text)) {
		f.bad = true
		return ""
	}
	s := f.text[:n]
	f.text = f.text[n:]
	return s
}

// end tells that everything was there and nothing more.
func (f *fields) end() error {
	if f.bad || f.text != "" {
		return errDamaged
	}
	return nil
}

func parseRequest(record []byte) (r request, err error) {
	f := fields{text: string(record)}
	verb := f.byte()
	r.id = f.number()
	switch verb {
	case verbCancel:
		r.cancel = true
	case verbCompute:
		r.order.Expression = f.string()
		n := f.number()
		if n > uint64(len(f.text)) { // each takes more than a byte
			return r, errDamaged
		}
		if n > 0 {
			r.order.Parameters = make([]task.Parameter, n)
		}
		for i := range r.order.Parameters {
			p := &r.order.Parameters[i]
			p.Name, p.Value.Type, p.Value.Text = f.string(), task.ValueType(f.byte()), f.string()
		}
	default:
		return r, fmt.Errorf("%w: its verb is %q", errDamaged, verb)
	}
	return r, f.end()
}

func parseAnswer(record []byte) (a answer, err error) {
	f := fields{text: string(record)}
	verb := f.byte()
	a.id = f.number()
	switch verb {
	case verbStopped:
		a.stopped = true
	case verbError:
		if a.err = f.string(); a.err == "" {
			return a, errDamaged
		}
	case verbValue:
		a.value.Type, a.value.Text = task.ValueType(f.byte()), f.string()
	case verbTook:
		a.took, a.evaluations = time.Duration(a.id), f.number()
		if a.took < 0 || a.evaluations == 0 {
			return a, errDamaged
		}
	default:
		return a, fmt.Errorf("%w: its verb is %q", errDamaged, verb)
	}
	return a, f.end()
}

// records reads records.
type records struct {
	from *bufio.Reader
	body []byte // of the last one
}

func newRecords(r io.Reader) *records { return &records{from: bufio.NewReaderSize(r, keptBytes)} }

// next returns the next record, until the next call; io.EOF where none begins.
func (r *records) next() ([]byte, error) {
	var length [lengthBytes]byte
	if _, err := io.ReadFull(r.from, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxRecord {
		return nil, fmt.Errorf("%w: it says that it has %d bytes; at most %d are possible", errDamaged, n, maxRecord)
	}
	if cap(r.body) < int(n) || cap(r.body) > keptBytes && n <= keptBytes {
		r.body = make([]byte, n)
	}
	r.body = r.body[:n]
	if _, err := io.ReadFull(r.from, r.body); err != nil {
		return nil, fmt.Errorf("read a record of %d bytes: %w", n, endsEarly(err))
	}
	return r.body, nil
}

// more tells whether the next record is there already.
func (r *records) more() bool {
	if r.from.Buffered() < lengthBytes {
		return false
	}
	length, err := r.from.Peek(lengthBytes)
	return err == nil && uint32(r.from.Buffered()-lengthBytes) >= binary.BigEndian.Uint32(length)
}

// endsEarly is the error of a record of which more was to come.
func endsEarly(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
