package cluster

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"muster/fsm"
)

// decoding decodes the entries of a batch beside the goroutine that applies them: a
// long log is applied as fast as the state machine goes.
type decoding struct {
	logs    []*raft.Log
	entries []decoded
	next    atomic.Int64 // the lowest entry that no goroutine has begun with, but take
	workers sync.WaitGroup
}

// decoded is one entry.
type decoded struct {
	begun    atomic.Bool
	done     chan struct{}
	envelope fsm.Envelope // valid after done
	err      error        // valid after done
}

// fewEntries are too few for others to help.
const fewEntries = 4

// decodeAhead begins to decode. The caller takes every entry, or none after an error,
// and calls end.
func decodeAhead(logs []*raft.Log) *decoding {
	d := &decoding{logs: logs}
	if len(logs) <= fewEntries {
		return d
	}
	d.entries = make([]decoded, len(logs))
	for i := range d.entries {
		d.entries[i].done = make(chan struct{})
	}
	for range min(len(logs), runtime.GOMAXPROCS(0)) - 1 {
		d.workers.Go(func() {
			for i := d.next.Add(1) - 1; i < int64(len(logs)); i = d.next.Add(1) - 1 {
				d.decode(int(i))
			}
		})
	}
	return d
}

// decode decodes an entry, if no other goroutine does.
func (d *decoding) decode(i int) {
	e := &d.entries[i]
	if e.begun.Swap(true) {
		return
	}
	e.envelope, e.err = decodeLog(d.logs[i])
	close(e.done)
}

func decodeLog(l *raft.Log) (fsm.Envelope, error) {
	if l.Type != raft.LogCommand {
		return fsm.Envelope{}, nil
	}
	return fsm.Decode(l.Data)
}

// take returns an entry, which it decodes itself if nobody has begun to.
func (d *decoding) take(i int) (fsm.Envelope, error) {
	if d.entries == nil {
		return decodeLog(d.logs[i])
	}
	d.decode(i)
	e := &d.entries[i]
	<-e.done
	envelope := e.envelope
	e.envelope = fsm.Envelope{} // it may be large, and the batch is long
	return envelope, e.err
}

// end stops decoding and waits for the goroutines.
func (d *decoding) end() {
	d.next.Store(int64(len(d.logs)))
	d.workers.Wait()
}
