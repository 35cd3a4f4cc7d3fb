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

// decodeAhead begins to decode. The caller takes every entry, or none after an error,
// and calls end.
func decodeAhead(logs []*raft.Log) *decoding {
	d := &decoding{logs: logs, entries: make([]decoded, len(logs))}
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
	if d.logs[i].Type == raft.LogCommand {
		e.envelope, e.err = fsm.Decode(d.logs[i].Data)
	}
	close(e.done)
}

// take returns an entry, which it decodes itself if nobody has begun to.
func (d *decoding) take(i int) (fsm.Envelope, error) {
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
