package dispatch_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"muster/cluster/dispatch"
	"muster/cluster/dispatch/scheduler"
	"muster/fsm"
	"muster/task"
)

// memoryLog commits entries on the real state machine, one after the other, by a
// goroutine of its own.
type memoryLog struct {
	state   *fsm.State
	wake    chan struct{}
	entries chan []fsm.Proposal

	mu        sync.Mutex
	flights   int
	committed []dispatch.Entry
}

func newMemoryLog() *memoryLog {
	return &memoryLog{state: fsm.New(), wake: make(chan struct{}, 1), entries: make(chan []fsm.Proposal, 2)}
}

func (l *memoryLog) run() {
	index := uint64(0)
	for proposals := range l.entries {
		index++
		outcomes := l.state.Apply(index, 1, fsm.Envelope{Term: 1, Stamp: 1, Proposals: proposals})
		l.mu.Lock()
		l.flights--
		l.committed = append(l.committed, dispatch.Entry{Own: true, Outcomes: outcomes})
		l.mu.Unlock()
		l.signal()
	}
}

func (l *memoryLog) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *memoryLog) View() *fsm.View                    { return l.state.View() }
func (l *memoryLog) Open() (*fsm.View, dispatch.Stream) { return l.state.View(), l }
func (l *memoryLog) Barrier(context.Context) error      { return nil }
func (l *memoryLog) Wake() <-chan struct{}              { return l.wake }
func (l *memoryLog) Close()                             {}
func (l *memoryLog) Append(proposals []fsm.Proposal) {
	l.mu.Lock()
	l.flights++
	l.mu.Unlock()
	l.entries <- proposals
}

func (l *memoryLog) Ready() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flights < 2
}

func (l *memoryLog) Committed() ([]dispatch.Entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.committed
	l.committed = nil
	return out, false
}

// quickSlave has done every task as soon as it is sent one, and reports what it has in
// batches that form by themselves.
type quickSlave struct {
	d       *dispatch.Dispatcher
	results chan task.Result
	counter uint64
	mu      sync.Mutex
}

const quickSlots = 512

func (s *quickSlave) word() task.Availability {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counter++
	return task.Availability{Incarnation: "i", Counter: s.counter, Slots: quickSlots, Free: quickSlots}
}

func (s *quickSlave) report(ctx context.Context) {
	for first := range s.results {
		r := task.Report{Slave: "A", Results: []task.Result{first}}
		for len(s.results) > 0 && len(r.Results) < 256 {
			r.Results = append(r.Results, <-s.results)
		}
		r.Availability = s.word()
		_, _ = s.d.Report(ctx, r) // the benchmark counts what is done
	}
}

func (s *quickSlave) Available(context.Context, string, task.Stamp) (task.Availability, error) {
	return s.word(), nil
}

func (s *quickSlave) Knock(context.Context, string, task.Stamp) (task.Availability, error) {
	return s.word(), nil
}

func (s *quickSlave) Send(_ context.Context, _ string, _ task.Stamp, _ string, orders []task.Order) ([]task.Receipt, task.Availability, error) {
	receipts := make([]task.Receipt, len(orders))
	for i, o := range orders {
		receipts[i] = task.Receipt{ID: o.ID, Attempt: o.Attempt, Status: task.Accepted}
		s.results <- task.Result{ID: o.ID, Attempt: o.Attempt, Value: task.Value{Type: task.Number, Text: "2"}}
	}
	return receipts, s.word(), nil
}

func (s *quickSlave) Held(context.Context, string, task.Stamp) ([]task.Held, task.Availability, error) {
	return nil, task.Availability{}, errors.New("not asked")
}

func (s *quickSlave) Resize(context.Context, string, task.Stamp, string, int) (task.Availability, error) {
	return task.Availability{}, errors.New("not asked")
}

func (s *quickSlave) Cancel(context.Context, string, task.Stamp, string, task.ID, uint32) (task.Availability, error) {
	return task.Availability{}, errors.New("not asked")
}

// BenchmarkATasksWay takes tasks of 64 callers from their submit to their result, on
// the real state machine and without disk or network.
func BenchmarkATasksWay(b *testing.B) {
	log := newMemoryLog()
	slave := &quickSlave{results: make(chan task.Result, 4096)}
	d := dispatch.New(dispatch.Config{Config: scheduler.Config{Term: 1, QuestionTTL: time.Second}, Cluster: "own"}, log, slave)
	slave.d = d
	ctx, stop := context.WithCancel(b.Context())
	var all sync.WaitGroup
	all.Go(log.run)
	all.Go(func() { slave.report(ctx) })
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	r := task.Registration{Name: "A", URL: "http://A", Slots: quickSlots, Incarnation: "i", Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}}}
	if _, err := d.Register(ctx, r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var clients sync.WaitGroup
	for i := range 64 {
		clients.Go(func() {
			for n := i; n < b.N; n += 64 {
				_, err := d.Submit(ctx, dispatch.Request{Spec: task.Spec{Kind: task.KindExpression, Expression: "1+1", MaxTries: 3, TimeoutMS: 60_000}, Queue: true})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	for log.View().Counts().Done < uint64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	stop()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	close(slave.results)
	close(log.entries)
	all.Wait()
}
