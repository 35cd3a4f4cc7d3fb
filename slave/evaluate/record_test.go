package evaluate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"muster/task"
)

func TestRecordsArriveAsTheyWereSent(t *testing.T) {
	orders := []task.Order{
		{}, order("2 + 3*x", num("x", "4"), str("s", "ä\x00\xff")), order(strings.Repeat("1+", 2000)+"1", str("s", strings.Repeat("a", 100_000))),
	}
	var stream []byte
	for i := range orders {
		before := len(stream)
		stream = appendCompute(stream, uint64(i)<<40, &orders[i])
		if n := len(stream) - before - lengthBytes; n > sizeOf(&orders[i]) {
			t.Errorf("a record of %d bytes, where at most %d were expected", n, sizeOf(&orders[i]))
		}
	}
	stream = appendCancel(stream, 1<<63)
	in := newRecords(iotest.OneByteReader(bytes.NewReader(stream)))
	for i := range orders {
		r := next(t, in, parseRequest)
		if r.id != uint64(i)<<40 || r.cancel || r.order.Expression != orders[i].Expression || !slices.Equal(r.order.Parameters, orders[i].Parameters) {
			t.Errorf("%d arrives as %.200v", i, r)
		}
	}
	if r := next(t, in, parseRequest); r.id != 1<<63 || !r.cancel {
		t.Errorf("a cancel arrives as %+v", r)
	}
	if _, err := in.next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}

	answers := []answer{
		{id: 1, value: task.Value{Type: task.Number, Text: "14"}},
		{id: 2, value: task.Value{Type: task.String}},
		{id: 3, err: "wrong"},
		{id: 4, stopped: true},
	}
	stream = nil
	for _, a := range answers {
		stream = a.append(stream)
	}
	stream = appendTook(stream, 4, time.Second)
	in = newRecords(bytes.NewReader(stream))
	for _, want := range answers {
		if got := next(t, in, parseAnswer); got != want || !in.more() {
			t.Errorf("%+v arrives as %+v; more: %t", want, got, in.more())
		}
	}
	if a := next(t, in, parseAnswer); a.evaluations != 4 || a.took != time.Second || in.more() {
		t.Errorf("the time arrives as %+v; more: %t", a, in.more())
	}
}

func next[T any](t *testing.T, in *records, parse func([]byte) (T, error)) T {
	t.Helper()
	record, err := in.next()
	if err != nil {
		t.Fatal(err)
	}
	v, err := parse(record)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestDamagedRecordsAreErrors changes and cuts records.
func TestDamagedRecordsAreErrors(t *testing.T) {
	o := order("x", num("x", "4"))
	whole := appendCompute(nil, 7, &o)
	for i := range whole {
		in := newRecords(bytes.NewReader(whole[:i]))
		if _, err := in.next(); err == nil || i > 0 && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
		if i >= lengthBytes {
			if _, err := parseRequest(whole[lengthBytes:i]); !errors.Is(err, errDamaged) {
				t.Errorf("short by %d bytes: %v", len(whole)-i, err)
			}
		}
	}
	in := newRecords(bytes.NewReader(binary.BigEndian.AppendUint32(nil, maxRecord+1)))
	if _, err := in.next(); !errors.Is(err, errDamaged) {
		t.Errorf("a record of 4 MiB and one byte: %v", err)
	}
	for name, record := range map[string]string{
		"nothing": "", "another verb": "?\x01", "more behind it": "s\x01\x00", "a text that is too long": "e\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
		"an error without a word": "e\x01\x00", "a number above 64 bits": "s\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "an endless number": "s" + strings.Repeat("\x80", 20),
		"a time of none": "t\x01\x00", "a time below 0": "t\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", "many parameters": "c\x01\x00\xff\xff\xff\x7f",
	} {
		if _, err := parseAnswer([]byte(record)); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := parseRequest([]byte(record)); !errors.Is(err, errDamaged) {
			t.Errorf("%s, as a request: %v", name, err)
		}
	}
}

// FuzzRecords: what can be read can be written, and is the same then.
func FuzzRecords(f *testing.F) {
	o := order("x + 1", num("x", "4"))
	f.Add(appendCompute(nil, 7, &o)[lengthBytes:])
	f.Add(appendCancel(nil, 7)[lengthBytes:])
	f.Add((&answer{id: 1, value: task.Value{Type: task.Number, Text: "1"}}).append(nil)[lengthBytes:])
	f.Add(appendTook(nil, 1, 1)[lengthBytes:])
	f.Fuzz(func(t *testing.T, record []byte) {
		if r, err := parseRequest(record); err == nil && !r.cancel {
			again, err := parseRequest(appendCompute(nil, r.id, &r.order)[lengthBytes:])
			if err != nil || !reflect.DeepEqual(again, r) {
				t.Errorf("%+v becomes %+v, %v", r, again, err)
			}
		}
		if a, err := parseAnswer(record); err == nil && a.evaluations == 0 {
			again, err := parseAnswer(a.append(nil)[lengthBytes:])
			if err != nil || again != a {
				t.Errorf("%+v becomes %+v, %v", a, again, err)
			}
		}
	})
}
