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
	"runtime"
	"sync"
	"sync/atomic"

	"muster/fsm/logpb"
	"muster/task"
)

// The bounds of a chunk: its records are decoded by one goroutine.
const (
	chunkRecords = 4 << 10
	chunkBytes   = 1 << 20
)

// recordReader reads the frame around the records and sums it up.
type recordReader struct {
	in   *bufio.Reader
	sum  hash.Hash32
	keys *keyIndex   // that the keys shall be added to
	stop atomic.Bool // nobody wants more records
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

func (r *recordReader) header() (*logpb.Header, error) {
	var buffer bytes.Buffer
	if err := r.next(&buffer); err != nil {
		return nil, err
	}
	record := new(logpb.Record)
	if err := unmarshal(buffer.Bytes(), record); err != nil {
		return nil, err
	}
	if record.GetHeader() == nil {
		return nil, errors.New("another record is in its place")
	}
	return record.GetHeader(), nil
}

// next appends one record to the buffer.
func (r *recordReader) next(buffer *bytes.Buffer) error {
	size, err := binary.ReadUvarint(r.in)
	if err != nil {
		return fmt.Errorf("its length: %w", whole(err))
	}
	if size > maxRecord {
		return fmt.Errorf("its length is %d, above the %d that is possible", size, maxRecord)
	}
	_, _ = r.sum.Write(binary.AppendUvarint(nil, size))
	start := buffer.Len()
	if part, err := r.in.Peek(int(min(size, uint64(r.in.Size())))); err == nil && uint64(len(part)) == size {
		_, _ = buffer.Write(part) // a buffer takes everything
		_, err = r.in.Discard(len(part))
		_, _ = r.sum.Write(part)
		return err //nolint:wrapcheck // nil: it was there a moment ago
	}
	// Copying grows the buffer with what is really there, whatever size says.
	if _, err := io.CopyN(buffer, r.in, int64(size)); err != nil {
		return fmt.Errorf("its %d bytes: %w", size, whole(err))
	}
	_, _ = r.sum.Write(buffer.Bytes()[start:])
	return nil
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

// chunk is some records in a row.
type chunk struct {
	first   uint64 // the number of the first record, from 1
	content bytes.Buffer
	ends    []int // of the records in content
	err     error // why the record behind them can't be read
	done    chan struct{}
	items   []loaded // valid after done
}

// loaded is what a record came to, or a whole block of them.
type loaded struct {
	number uint64 // of the record, or the block's last one
	err    error
	slave  *task.Slave
	master *task.Master
	task   task.Task  // or the first of the block, of which only the id is there
	block  pack       // if the record is the last of a whole block of done tasks
	keys   []keyEntry // of the block
}

// decodeAhead reads so many records and decodes them in chunks, in goroutines of their
// own, as many at once as there are processors. The caller takes all chunks, in their
// order, and waits for each; and at last for the goroutines. With stop there are few
// more.
func (r *recordReader) decodeAhead(records uint64) (chunks <-chan *chunk, wait func()) {
	queue := make(chan *chunk, runtime.GOMAXPROCS(0))
	var running sync.WaitGroup
	running.Go(func() {
		defer close(queue)
		for n := uint64(0); n < records && !r.stop.Load(); {
			c := &chunk{first: n + 1, done: make(chan struct{})}
			r.fill(c, records-n)
			n += uint64(len(c.ends))
			running.Go(func() {
				defer close(c.done)
				c.decode(r.keys)
			})
			queue <- c
			if c.err != nil {
				return
			}
		}
	})
	return queue, running.Wait
}

// fill reads records into a chunk, at most limit.
func (r *recordReader) fill(c *chunk, limit uint64) {
	for uint64(len(c.ends)) < min(limit, chunkRecords) && c.content.Len() < chunkBytes {
		if c.err = r.next(&c.content); c.err != nil {
			return
		}
		c.ends = append(c.ends, c.content.Len())
	}
}

// decode decodes the records, until one can't be.
func (c *chunk) decode(keys *keyIndex) {
	content, start := c.content.Bytes(), 0
	c.items = make([]loaded, 0, len(c.ends)/8)
	var p packer
	for i, end := range c.ends {
		item := decodeRecord(content[start:end])
		item.number = c.first + uint64(i)
		c.items = append(c.items, item)
		if item.err != nil {
			return
		}
		c.seal(&p, keys)
		start = end
	}
	if c.err != nil {
		c.items = append(c.items, loaded{number: c.first + uint64(len(c.ends)), err: c.err})
	}
}

// seal puts the last blockSize items together if they are the tasks of a whole block,
// all done.
func (c *chunk) seal(p *packer, index *keyIndex) {
	if len(c.items) < blockSize {
		return
	}
	last := &c.items[len(c.items)-1]
	run := c.items[len(c.items)-blockSize:]
	if last.task.ID == 0 || last.task.ID%blockSize != 0 {
		return
	}
	tasks := make([]*task.Task, 0, blockSize)
	var keys []keyEntry
	for i := range run {
		t := &run[i].task
		if t.ID != last.task.ID-blockSize+1+task.ID(i) || t.Status != task.Done || run[i].block != "" {
			return
		}
		tasks = append(tasks, t)
		if t.Key != "" {
			keys = append(keys, index.of(t))
		}
	}
	run[0] = loaded{number: last.number, task: task.Task{ID: tasks[0].ID}, block: p.pack(tasks...), keys: keys}
	c.items = c.items[:len(c.items)-blockSize+1]
}

// decodeRecord decodes one record, and checks what can be checked of it alone.
func decodeRecord(b []byte) loaded {
	if t, ok := plainTask(string(b)); ok {
		return loaded{task: t, err: checkTask(t)}
	}
	return decodeGenerated(b)
}

// decodeGenerated is decodeRecord for what is not plain.
func decodeGenerated(b []byte) loaded {
	record := new(logpb.Record)
	if err := unmarshal(b, record); err != nil {
		return loaded{err: err}
	}
	var c converter
	switch x := record.GetKind().(type) {
	case *logpb.Record_Slave:
		slave := c.slaveIn(x.Slave)
		return loaded{slave: &slave, err: c.err}
	case *logpb.Record_Master:
		master := masterIn(x.Master)
		return loaded{master: &master}
	case *logpb.Record_Task:
		t := c.taskIn(x.Task)
		if c.err == nil {
			c.err = checkTask(t)
		}
		return loaded{task: t, err: c.err}
	default:
		return loaded{err: errors.New("it is no slave, master or task")}
	}
}

func checkTask(t task.Task) error {
	if t.Status == 0 || (t.Status == task.Done) != (t.Outcome != task.NoOutcome) {
		return fmt.Errorf("task %d is %s with the outcome %q", t.ID, t.Status, t.Outcome)
	}
	return nil
}
