package fsm

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"google.golang.org/protobuf/proto"

	"muster/fsm/logpb"
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
	s.record(&logpb.Record{Kind: &logpb.Record_Header{Header: v.header()}})
	for _, slave := range v.Slaves() {
		s.record(&logpb.Record{Kind: &logpb.Record_Slave{Slave: s.convert.slaveOut(&slave)}})
	}
	for _, m := range v.Masters() {
		s.record(&logpb.Record{Kind: &logpb.Record_Master{Master: masterOut(&m)}})
	}
	for tasks := v.walk(&task.Query{}); tasks.id() != 0 && s.err == nil; tasks.step() {
		t := tasks.task()
		s.record(&logpb.Record{Kind: &logpb.Record_Task{Task: s.convert.taskOut(&t)}})
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

func (v *View) header() *logpb.Header {
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

// saver writes records and sums them up. After an error it does nothing.
type saver struct {
	out     *bufio.Writer
	sum     hash.Hash32
	buffer  []byte
	convert converter
	err     error
}

func (s *saver) record(r *logpb.Record) {
	if s.err == nil {
		s.err = s.convert.err
	}
	if s.err != nil {
		return
	}
	options := proto.MarshalOptions{Deterministic: true}
	s.buffer = binary.AppendUvarint(s.buffer[:0], uint64(options.Size(r)))
	s.buffer, s.err = options.MarshalAppend(s.buffer, r)
	s.write(s.buffer)
}

func (s *saver) write(b []byte) {
	if s.err != nil {
		return
	}
	_, _ = s.sum.Write(b) // a hash takes everything
	_, s.err = s.out.Write(b)
}
