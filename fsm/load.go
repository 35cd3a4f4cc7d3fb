package fsm

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"muster/fsm/logpb"
	"muster/task"
)

// Load replaces everything by what View.Save wrote. What is damaged, cut short,
// too long or contradicts itself is refused, and the state stays as it was.
func (s *State) Load(r io.Reader) error {
	next, err := load(r)
	if err != nil {
		return fmt.Errorf("load a snapshot: %w", err)
	}
	s.tables, s.doneIn, s.declared = next.tables, next.doneIn, next.declared
	s.publish()
	return nil
}

func load(from io.Reader) (*State, error) {
	r := &recordReader{in: bufio.NewReaderSize(from, 64<<10), sum: crc32.New(castagnoli())}
	if err := r.magic(); err != nil {
		return nil, err
	}
	first, err := r.next()
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	header := first.GetHeader()
	if header == nil {
		return nil, errors.New("header: another record is in its place")
	}
	l := loader{state: New(), busy: make(map[string]int)}
	l.state.index, l.state.lastSlave = header.GetIndex(), header.GetLastSlave()
	l.state.counts.Submitted = header.GetSubmitted()
	l.state.counts.Done, l.state.counts.Forgotten = header.GetForgotten(), header.GetForgotten()
	records := header.GetSlaves() + header.GetMasters() + header.GetTasks()
	for n := range records {
		record, err := r.next()
		if err == nil {
			err = l.add(record)
		}
		if err != nil {
			return nil, fmt.Errorf("record %d of %d: %w", n+1, records, err)
		}
	}
	if err := r.trailer(); err != nil {
		return nil, err
	}
	if err := l.check(header); err != nil {
		return nil, fmt.Errorf("the snapshot contradicts itself: %w", err)
	}
	return l.state, nil
}

// loader builds a state from records and checks that they fit together.
type loader struct {
	state   *State
	convert converter
	busy    map[string]int // by slave, as its record says; the state counts itself
	last    task.ID
}

func (l *loader) add(r *logpb.Record) error {
	switch x := r.GetKind().(type) {
	case *logpb.Record_Slave:
		return l.addSlave(l.convert.slaveIn(x.Slave))
	case *logpb.Record_Master:
		return l.addMaster(masterIn(x.Master))
	case *logpb.Record_Task:
		return l.addTask(l.convert.taskIn(x.Task))
	default:
		return errors.New("it is no slave, master or task")
	}
}

func (l *loader) addSlave(slave task.Slave) error {
	_, named := l.state.slaves.Get(slave.Name)
	_, placed := l.state.order.Get(slave.Order)
	switch {
	case l.convert.err != nil:
		return l.convert.err
	case named || placed:
		return fmt.Errorf("slave %q, or its place %d in the order, is there twice", slave.Name, slave.Order)
	case slave.Order == 0 || slave.Order > l.state.lastSlave:
		return fmt.Errorf("the place %d of slave %q in the order was never given", slave.Order, slave.Name)
	case slave.State == 0:
		return fmt.Errorf("slave %q has no state", slave.Name)
	}
	l.busy[slave.Name] = slave.Busy
	slave.Busy = 0
	l.state.order.Set(slave.Order, slave.Name)
	l.state.putSlave(task.Slave{}, slave)
	return nil
}

func (l *loader) addMaster(m task.Master) error {
	if _, ok := l.state.masters.Get(m.ID); ok {
		return fmt.Errorf("master %q is there twice", m.ID)
	}
	l.state.masters.Set(m.ID, m)
	return nil
}

func (l *loader) addTask(t task.Task) error {
	switch {
	case l.convert.err != nil:
		return l.convert.err
	case t.ID <= l.last || uint64(t.ID) > l.state.counts.Submitted:
		return fmt.Errorf("task %d after task %d, of %d", t.ID, l.last, l.state.counts.Submitted)
	case t.Status == 0 || (t.Status == task.Done) != (t.Outcome != task.NoOutcome):
		return fmt.Errorf("task %d is %s with the outcome %q", t.ID, t.Status, t.Outcome)
	}
	if slave, ok := l.state.slaves.Get(t.Slave); t.Status == task.InProgress && (!ok || slave.Incarnation != t.Incarnation) {
		return fmt.Errorf("task %d is in progress on slave %q, which has no incarnation %q", t.ID, t.Slave, t.Incarnation)
	}
	l.last = t.ID
	if t.Key != "" {
		l.state.keys.add(t.Key, t.ID)
	}
	l.state.enter(t)
	return nil
}

// check compares what the records came to with what the snapshot says.
func (l *loader) check(h *logpb.Header) error {
	s := l.state
	if n := uint64(s.slaves.Len()); n != h.GetSlaves() {
		return fmt.Errorf("it has %d slaves and says %d", n, h.GetSlaves())
	}
	if n := uint64(s.masters.Len()); n != h.GetMasters() {
		return fmt.Errorf("it has %d masters and says %d", n, h.GetMasters())
	}
	said := task.Counts{Submitted: h.GetSubmitted(), Pending: h.GetPending(), InProgress: h.GetInProgress(), Done: h.GetDone(), Forgotten: h.GetForgotten()}
	if s.counts != said {
		return fmt.Errorf("its tasks count %+v and it says %+v", s.counts, said)
	}
	if sum := said.Pending + said.InProgress + said.Done; sum != said.Submitted {
		return fmt.Errorf("%d tasks were submitted and it has %d", said.Submitted, sum)
	}
	var err error
	s.slaves.Scan(func(name string, slave task.Slave) bool {
		if slave.Busy != l.busy[name] {
			err = fmt.Errorf("slave %q has %d tasks in progress and says %d", name, slave.Busy, l.busy[name])
		}
		return err == nil
	})
	return err
}

// recordReader reads the frame around the records and sums it up.
type recordReader struct {
	in     *bufio.Reader
	sum    hash.Hash32
	buffer bytes.Buffer
}

func (r *recordReader) magic() error {
	var b [len(snapshotMagic) + 1]byte
	if _, err := io.ReadFull(r.in, b[:]); err != nil {
		return fmt.Errorf("magic: %w", whole(err))
	}
	_, _ = r.sum.Write(b[:]) // a hash takes everything
	if string(b[:len(snapshotMagic)]) != snapshotMagic {
		return fmt.Errorf("it starts with %q: this is no snapshot of muster", b)
	}
	if v := b[len(snapshotMagic)]; v != snapshotVersion {
		return fmt.Errorf("its version is %d and this build knows %d; run a newer build", v, snapshotVersion)
	}
	return nil
}

// next reads one record.
func (r *recordReader) next() (*logpb.Record, error) {
	size, err := binary.ReadUvarint(r.in)
	if err != nil {
		return nil, fmt.Errorf("its length: %w", whole(err))
	}
	if size > maxRecord {
		return nil, fmt.Errorf("its length is %d, above the %d that is possible", size, maxRecord)
	}
	// Copying grows the buffer with what is really there, whatever size says.
	r.buffer.Reset()
	if _, err := io.CopyN(&r.buffer, r.in, int64(size)); err != nil {
		return nil, fmt.Errorf("its %d bytes: %w", size, whole(err))
	}
	_, _ = r.sum.Write(binary.AppendUvarint(nil, size))
	_, _ = r.sum.Write(r.buffer.Bytes())
	record := new(logpb.Record)
	if err := unmarshal(r.buffer.Bytes(), record); err != nil {
		return nil, err
	}
	return record, nil
}

// trailer reads the checksum and the end.
func (r *recordReader) trailer() error {
	var b [crc32.Size]byte
	if _, err := io.ReadFull(r.in, b[:]); err != nil {
		return fmt.Errorf("checksum: %w", whole(err))
	}
	if said, is := binary.BigEndian.Uint32(b[:]), r.sum.Sum32(); said != is {
		return fmt.Errorf("checksum: the content has %08x and should have %08x: it is damaged", is, said)
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		if err != nil {
			return fmt.Errorf("end: %w", err)
		}
		return errors.New("end: there is something after it")
	}
	return nil
}

// whole turns the end of the input into the error that it is here.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("cut short: %w", io.ErrUnexpectedEOF)
	}
	return err
}
