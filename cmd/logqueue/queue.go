package logqueue

import (
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxBytes bounds the lines that wait, with lineCost for each of them.
	maxBytes = 1 << 20
	lineCost = 64
	// retryPause is how long a writer is left alone that said that it would block.
	retryPause = 20 * time.Millisecond
)

// Queue is an io.Writer for lines, one a call, that never blocks and never fails.
// Of too many lines, the oldest are dropped: what comes last says why a process
// ended. Its methods are safe for concurrent use.
type Queue struct {
	to      io.Writer
	missing func(to io.Writer, lines uint64) error
	dropped prometheus.Counter

	wake   chan struct{} // has a value when there is something to do
	giveUp chan struct{} // closed when Close does not wait any longer
	done   chan struct{} // closed when the writing goroutine has ended
	torn   bool          // the last line is there in part; run's

	mu     sync.Mutex
	lines  [][]byte // under mu
	bytes  int      // of lines, with lineCost for each; under mu
	gap    uint64   // lines dropped since it was last told; under mu
	closed bool     // under mu
}

// New returns a queue in front of a writer. missing writes a line that says how
// many lines are missing at its place; it is called when the writer takes lines
// again. Close ends what New starts.
func New(to io.Writer, missing func(to io.Writer, lines uint64) error) *Queue {
	q := &Queue{
		to: to, missing: missing,
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "muster_log_lines_dropped_total",
			Help: "Log lines of this process that were dropped, because they could not be written, or not fast enough.",
		}),
		wake: make(chan struct{}, 1), giveUp: make(chan struct{}), done: make(chan struct{}),
	}
	go q.run()
	return q
}

// Collector counts the lines that were dropped.
func (q *Queue) Collector() prometheus.Collector { return q.dropped }

// Write takes a line. After Close it is dropped.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.drop()
		return len(line), nil
	}
	q.lines = append(q.lines, append([]byte(nil), line...))
	q.bytes += len(line) + lineCost
	for q.bytes > maxBytes {
		q.pop()
		q.drop()
	}
	q.signal()
	return len(line), nil
}

// Close has what waits written, for at most so long, and drops the rest. It may be
// repeated.
func (q *Queue) Close(atMost time.Duration) {
	q.mu.Lock()
	first := !q.closed
	q.closed = true
	q.mu.Unlock()
	q.signal()
	if !first {
		<-q.giveUp
		return
	}
	defer close(q.giveUp) // a write that hangs goes on until the process ends
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
	}
}

// run writes until the queue is closed and empty.
func (q *Queue) run() {
	defer close(q.done)
	for {
		line, gap, open := q.next()
		switch {
		case line != nil || gap > 0:
			q.write(line, gap)
		case !open:
			return
		default:
			<-q.wake
			continue
		}
		if !open && line == nil {
			return
		}
	}
}

// next takes the oldest line, and how many were dropped before it. At the end there
// may be lines that were dropped, and none after them.
func (q *Queue) next() (line []byte, gap uint64, open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lines) > 0 {
		line = q.pop()
	} else if !q.closed {
		return nil, 0, true
	}
	gap, q.gap = q.gap, 0
	return line, gap, !q.closed
}

// write writes a line, if there is one, behind one that says what is missing
// before it.
func (q *Queue) write(line []byte, gap uint64) {
	to := untorn{q}
	if gap > 0 && q.missing(to, gap) != nil {
		q.lost(line, gap)
		return
	}
	if line == nil {
		return
	}
	if _, err := to.Write(line); err != nil {
		q.lost(line, 0)
	}
}

// lost notes that the line in hand was not written, and what is still to be told.
func (q *Queue) lost(line []byte, gap uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if line != nil {
		q.drop()
	}
	q.gap += gap
}

// pop takes the oldest line out. The caller holds mu.
func (q *Queue) pop() []byte {
	line := q.lines[0]
	q.lines[0] = nil
	q.lines = q.lines[1:]
	q.bytes -= len(line) + lineCost
	return line
}

// drop counts a line that nobody will read. The caller holds mu.
func (q *Queue) drop() {
	q.gap++
	q.dropped.Inc()
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// untorn writes whole lines to the queue's writer, in the queue's goroutine.
type untorn struct{ q *Queue }

// Write writes all of a line, or fails. A line that was cut off, as by a full disk,
// is ended first.
func (u untorn) Write(line []byte) (int, error) {
	if u.q.torn {
		if _, err := u.q.insist([]byte{'\n'}); err != nil {
			return 0, err
		}
		u.q.torn = false
	}
	n, err := u.q.insist(line)
	u.q.torn = err != nil && n > 0
	return n, err
}

// insist writes all of a line, or fails. Others may have made the writer's pipe one
// that does not block: then it says that it is full, perhaps in the middle of a
// line, and is asked again.
func (q *Queue) insist(line []byte) (written int, err error) {
	for {
		n, err := q.to.Write(line[written:])
		written += n
		if err == nil || !errors.Is(err, syscall.EAGAIN) {
			return written, err //nolint:wrapcheck // nobody sees it: the line is counted
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-q.giveUp:
			pause.Stop()
			return written, err //nolint:wrapcheck // as above
		}
	}
}
