package evaluate

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"muster/task"
)

// slowAfter is how long a runner may compute before others take over what it has not
// begun, what it has not answered yet, and the reading.
const slowAfter = time.Millisecond

// keptBytes is up to which size a buffer is kept for the next use.
const keptBytes = 64 << 10

// serve computes with a given function what comes from in, until in ends.
func serve(ctx context.Context, in io.Reader, out io.Writer, evaluate func(context.Context, task.Order) (task.Value, error)) error {
	s := &server{
		evaluate: evaluate, in: newRecords(in), out: out,
		ctx: ctx, running: map[uint64]*evaluation{}, ended: make(chan error, 1),
	}
	s.watch = time.AfterFunc(time.Hour, s.takeOver)
	s.watch.Stop()
	go s.run() // the process's end is its end
	select {
	case err := <-s.ended:
		s.watch.Stop()
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// server is a child's side. Its runners are goroutines, each of which reads requests,
// computes all that came together, writes all answers together, and reads again: a
// send of many tasks costs one read and one write, and no goroutine has to wake
// another one. One that sleeps, or computes for long, is helped: another runner goes
// on with the rest and reads what comes, cancels among it.
type server struct {
	evaluate func(context.Context, task.Order) (task.Value, error)
	in       *records // of the runner that reads
	out      io.Writer
	ctx      context.Context //nolint:containedctx // of the process
	ended    chan error      // has the reason when nothing is read any more
	watch    *time.Timer     // runs while a runner may compute

	mu      sync.Mutex
	line    []*evaluation          // not begun, oldest first; under mu
	running map[uint64]*evaluation // those of line, too; under mu
	answers []byte                 // records, not written; under mu
	counted int                    // evaluations that ended since the last write; under mu
	took    time.Duration          // which these took; under mu
	spare   []byte                 // was answers; under mu
	writing bool                   // a runner writes answers; under mu
	reading bool                   // a runner reads; under mu
	active  int                    // runners that neither sleep nor read; under mu
}

// run is a runner. It ends when it is one too many.
func (s *server) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
	defer func() { s.active-- }()
	for {
		switch {
		case len(s.line) > 0 && s.active <= maxComputing:
			s.compute()
		case !s.reading:
			s.reading = true
			s.active--
			err := s.read()
			s.active++
			s.reading = false
			if err != nil {
				s.ended <- err // once: nobody reads after this
				s.reading = true
				return
			}
		default:
			s.flush()
			return
		}
	}
}

// compute takes the first of the line. Its caller holds mu, which is let go meanwhile.
func (s *server) compute() {
	e := s.line[0]
	s.line[0] = nil
	if s.line = s.line[1:]; len(s.line) == 0 {
		s.line = nil
	}
	if s.running[e.id] != e {
		return // cancelled, and answered
	}
	e.begun = true
	s.mu.Unlock()
	began := time.Now()
	v, err := s.evaluate(e, e.order)
	a := answerTo(e, e.id, v, err)
	s.mu.Lock()
	s.answer(e, a)
	s.counted++
	s.took += max(0, time.Since(began)-e.slept)
}

// read writes what was answered, waits for requests, and puts all that came into the
// line. Its caller holds mu, which is let go meanwhile.
func (s *server) read() error {
	s.flush()
	if s.active == 0 {
		s.watch.Stop()
	}
	s.mu.Unlock()
	came, err := s.requests()
	s.mu.Lock()
	for _, e := range came {
		if e.cancel {
			s.cancel(e.id)
			continue
		}
		s.running[e.id] = e
		s.line = append(s.line, e)
	}
	s.watch.Reset(slowAfter)
	return err
}

// cancel has an evaluation end soon: one that has not begun at once. Its caller holds mu.
func (s *server) cancel(id uint64) {
	e := s.running[id]
	if e == nil {
		return // it is answered
	}
	e.giveUp()
	if !e.begun {
		s.answer(e, answer{id: id, stopped: true})
	}
}

// answer puts an answer among those to be written. Its caller holds mu.
func (s *server) answer(e *evaluation, a answer) {
	delete(s.running, e.id)
	s.answers = a.append(s.answers)
}

// requests reads at least one request, and all that are there.
func (s *server) requests() (came []*evaluation, err error) {
	for {
		record, err := s.in.next()
		if err != nil {
			return came, err
		}
		r, err := parseRequest(record)
		if err != nil {
			return came, err
		}
		came = append(came, &evaluation{of: s, id: r.id, cancel: r.cancel, order: r.order})
		if !s.in.more() {
			return came, nil
		}
	}
}

// flush writes the answers, those, too, that are added meanwhile. Its caller holds mu,
// which is let go.
func (s *server) flush() {
	if s.writing {
		return // whoever writes takes them along
	}
	s.writing = true
	for len(s.answers) > 0 {
		body := s.answers
		if s.counted > 0 {
			body = appendTook(body, s.counted, s.took)
			s.counted, s.took = 0, 0
		}
		s.answers, s.spare = s.spare[:0], nil
		s.mu.Unlock()
		_, _ = s.out.Write(body) // a slave that does not hear is gone, and the input's end says so
		s.mu.Lock()
		if cap(body) <= keptBytes {
			s.spare = body[:0]
		}
	}
	s.writing = false
}

// takeOver is called while a runner may compute for long.
func (s *server) takeOver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.help()
	s.flush()
	if s.active > 0 {
		s.watch.Reset(slowAfter)
	}
}

// help starts a runner, if there is something for it to do. Its caller holds mu.
func (s *server) help() {
	if s.active < maxComputing && len(s.line) > 0 || !s.reading {
		go s.run() // the process's end is its end
	}
}

// evaluation is a request that is computed, or waits for it. It is its own context,
// which has a channel only if somebody waits for its end.
type evaluation struct {
	of     *server
	id     uint64
	cancel bool // it is none, and ends the one with its id
	order  task.Order
	begun  bool // under of.mu

	lay   time.Time     // since when it sleeps; its own goroutine's
	slept time.Duration // as lay

	mu      sync.Mutex
	givenUp bool          // under mu
	done    chan struct{} // made for the first who asks; closed with givenUp; under mu
}

func (e *evaluation) giveUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.givenUp && e.done != nil {
		close(e.done)
	}
	e.givenUp = true
}

// asleep tells that the evaluation computes nothing for a while.
func (e *evaluation) asleep() {
	s := e.of
	e.lay = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	s.help()
	s.flush()
}

// awake takes asleep back.
func (e *evaluation) awake() {
	e.slept += time.Since(e.lay)
	e.of.mu.Lock()
	defer e.of.mu.Unlock()
	if e.of.active++; e.of.active == 1 {
		e.of.watch.Reset(slowAfter)
	}
}

// Deadline is none: the slave says when time is over.
func (e *evaluation) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done is closed when the request is given up.
func (e *evaluation) Done() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.done == nil {
		e.done = make(chan struct{})
		if e.givenUp {
			close(e.done)
		}
	}
	return e.done
}

// Err tells whether the request was given up.
func (e *evaluation) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.givenUp {
		return context.Canceled
	}
	return e.of.ctx.Err()
}

// Value is nil.
func (e *evaluation) Value(any) any { return nil }
