package fsm

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"muster/task"
)

// A snapshot is
//
//	the magic, 8 bytes; the last is the version of this format
//	records, each a varint length and that many bytes of a logpb.Record
//	CRC-32C of everything before it, 4 bytes, big endian
//
// and nothing after that. The first record is the header, which says how many of
// each kind follow. Indexes are not written: Load builds them.

const (
	snapshotMagic   = "muster\x00"
	snapshotVersion = 1

	// The kinds of records: fields of a logpb.Record.
	recordHeader = 1
	recordSlave  = 2
	recordMaster = 3
	recordTask   = 4

	// maxRecord bounds one record: no task comes near it, as the API bounds its
	// parts.
	maxRecord = 64 << 20
)

func magic() []byte { return append([]byte(snapshotMagic), snapshotVersion) }

// castagnoli returns the table of CRC-32C, which processors have instructions for.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Save writes the picture, for Load. It may run beside Apply and other readers.
func (v *View) Save(w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	s := saver{out: out, sum: crc32.New(castagnoli())}
	s.write(magic())
	s.put(func(e *encoder) { e.header(v) })
	for _, slave := range v.Slaves() {
		s.put(func(e *encoder) { e.slave(&slave) })
	}
	for _, m := range v.Masters() {
		s.put(func(e *encoder) { e.master(&m) })
	}
	for tasks := v.walk(&task.Query{}); tasks.id() != 0 && s.err == nil; tasks.step() {
		t := tasks.task()
		s.put(func(e *encoder) { e.task(&t) })
	}
	s.write(s.sum.Sum(nil))
	if s.err == nil {
		s.err = out.Flush()
	}
	if s.err != nil {
		return fmt.Errorf("save the state at index %d: %w", v.index, s.err)
	}
	return nil
}

// saver writes records and sums them up. After an error it does nothing.
type saver struct {
	out    *bufio.Writer
	sum    hash.Hash32
	record encoder
	length []byte
	err    error
}

// put writes one record.
func (s *saver) put(write func(*encoder)) {
	if s.err != nil {
		return
	}
	s.record.out = s.record.out[:0]
	write(&s.record)
	s.err = s.record.err
	s.length = binary.AppendUvarint(s.length[:0], uint64(len(s.record.out)))
	s.write(s.length)
	s.write(s.record.out)
}

func (s *saver) write(b []byte) {
	if s.err != nil {
		return
	}
	_, _ = s.sum.Write(b) // a hash takes everything
	_, s.err = s.out.Write(b)
}
