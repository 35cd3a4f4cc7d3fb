package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"muster/cluster/dispatch"
	"muster/cluster/dispatch/scheduler"
	"muster/fsm"
	"muster/slave/worker"
	"muster/task"
)

// world is a dispatcher on the real state machine and real workers, in fake
// time. Only the log (committed at once) and the wire (a method call) are fakes.
type world struct {
	t     *testing.T
	log   *instantLog
	wire  *wire
	d     *dispatch.Dispatcher
	term  uint64
	ttl   time.Duration
	limit int // of pending tasks; 0: the default

	retention      dispatch.Retention
	slaveRetention time.Duration
	clock          func() task.Millis // nil: the default
	sequence       atomic.Uint64
	breaker        *dispatch.Breaker
	panics         atomic.Int32 // counted
	stop           context.CancelFunc
	stopped        chan error
}

// inWorld runs a test in a bubble of fake time.
func inWorld(t *testing.T, ttl time.Duration, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, ttl: ttl, log: &instantLog{state: fsm.New()}, wire: &wire{slaves: map[string]*slave{}}}
		w.log.wire = w.wire
		w.breaker = dispatch.NewBreaker(func() { w.panics.Add(1) })
		w.lead()
		defer func() { // also after a t.Fatal
			w.depose()
			for _, s := range w.wire.slaves {
				s.kill()
			}
		}()
		test(w)
	})
}

// lead starts a dispatcher for the next term.
func (w *world) lead() {
	w.term++
	w.log.setTerm(w.term)
	w.d = dispatch.New(dispatch.Config{
		Config: scheduler.Config{
			Term: w.term, QuestionTTL: w.ttl, QueueLimit: w.limit, Retention: w.retention, SlaveRetention: w.slaveRetention,
		},
		Cluster: "own", Clock: w.clock, Sequence: &w.sequence, Breaker: w.breaker,
	}, w.log, w.wire)
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.stopped = cancel, make(chan error, 1)
	go func() { w.stopped <- w.d.Run(ctx) }()
	synctest.Wait()
}

// depose ends the dispatcher's term and waits for it.
func (w *world) depose() {
	if w.stop == nil {
		return
	}
	w.stop()
	if err := <-w.stopped; err != nil {
		w.t.Errorf("the dispatcher ended with: %v", err)
	}
	w.stop = nil
}

// slave starts a slave and registers it.
func (w *world) slave(name string, slots int) *slave {
	w.t.Helper()
	s := w.wire.start(w, name, slots)
	if err := w.register(s); err != nil {
		w.t.Fatalf("register %s: %v", name, err)
	}
	return s
}

func (w *world) register(s *slave) error {
	_, err := w.d.Register(w.t.Context(), s.registration())
	return err
}

// submit submits an expression; "7s" runs for seven seconds.
func (w *world) submit(expression string, more ...func(*dispatch.Request)) (dispatch.Answer, error) {
	r := dispatch.Request{Spec: task.Spec{Kind: task.KindExpression, Expression: expression, MaxTries: 3, TimeoutMS: 60_000}}
	for _, f := range more {
		f(&r)
	}
	return w.d.Submit(w.t.Context(), r)
}

func (w *world) mustSubmit(expression string, more ...func(*dispatch.Request)) task.Task {
	w.t.Helper()
	a, err := w.submit(expression, more...)
	if err != nil {
		w.t.Fatalf("submit %s: %v", expression, err)
	}
	return a.Task
}

func withKey(r *dispatch.Request)   { r.Key = "k" }
func explained(r *dispatch.Request) { r.Explain = true }

// task returns a task as the state has it.
func (w *world) task(id task.ID) task.Task {
	w.t.Helper()
	t, ok := w.log.View().Task(id)
	if !ok {
		w.t.Fatalf("task %d is not in the state", id)
	}
	return t
}

func (w *world) wantDone(id task.ID, outcome task.Outcome, slave string) {
	w.t.Helper()
	if t := w.task(id); t.Status != task.Done || t.Outcome != outcome || t.Slave != slave {
		w.t.Errorf("task %d is %v %v on %q (%s), want done %v on %q", id, t.Status, t.Outcome, t.Slave, t.Error, outcome, slave)
	}
}

func codeOf(err error) task.Code {
	if refusal, ok := errors.AsType[*task.Error](err); ok {
		return refusal.Code
	}
	return ""
}

// instantLog commits at once, on the real state machine.
type instantLog struct {
	wire *wire

	mu      sync.Mutex
	state   *fsm.State
	index   uint64
	term    uint64
	streams map[*logStream]bool
	refuse  error         // of every proposal, if set
	hold    chan struct{} // if set, proposals wait for it to be closed
	last    chan struct{} // closed when the last call is applied
	calls   int           // not applied yet
	faults  faults
	most    int           // proposals of one call, if set
	skew    time.Duration // of the stamps
}

func (l *instantLog) setTerm(term uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.term = term
}

func (l *instantLog) set(f func(l *instantLog)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l)
}

// Propose commits commands as another part of the master would.
func (l *instantLog) Propose(_ context.Context, proposals ...fsm.Proposal) ([]fsm.Outcome, error) {
	return l.apply(proposals, nil)
}

// waiting tells how many calls are not applied yet.
func (l *instantLog) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

// apply applies an entry that a stream appended; nil for another's.
func (l *instantLog) apply(proposals []fsm.Proposal, own *logStream) ([]fsm.Outcome, error) {
	l.mu.Lock()
	hold := l.hold
	l.mu.Unlock()
	if hold != nil {
		<-hold
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return nil, l.refuse
	}
	if l.most > 0 && len(proposals) > l.most {
		return nil, task.Refuse(task.CodeInvalidRequest, "too many at once")
	}
	entry, err := fsm.Encode(fsm.Envelope{Term: l.term, Stamp: task.Millis(time.Now().Add(l.skew).UnixMilli()), Proposals: proposals})
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	envelope, err := fsm.Decode(entry)
	if err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	l.index++
	outcomes := l.state.Apply(l.index, l.term, envelope)
	for s := range l.streams {
		s.add(dispatch.Entry{Own: s == own, Outcomes: outcomes})
	}
	return outcomes, nil
}

// View is nil when it has to make the dispatcher panic: over what it looks at.
func (l *instantLog) View() *fsm.View {
	if l.faults.view.Load() {
		return nil
	}
	return l.state.View()
}

func (l *instantLog) Open() (*fsm.View, dispatch.Stream) {
	if l.faults.open {
		panic(errBug)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &logStream{log: l, wake: make(chan struct{}, 1)}
	if l.streams == nil {
		l.streams = map[*logStream]bool{}
	}
	l.streams[s] = true
	return l.state.View(), s
}

// logStream is the stream of an instantLog.
type logStream struct {
	log     *instantLog
	wake    chan struct{}
	mu      sync.Mutex
	flights int
	entries []dispatch.Entry
}

func (s *logStream) Wake() <-chan struct{} { return s.wake }

func (s *logStream) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flights < 2
}

// Append has entries applied in the order of the calls.
func (s *logStream) Append(proposals []fsm.Proposal) {
	l := s.log
	if l.faults.append {
		panic(errBug)
	}
	s.mu.Lock()
	s.flights++
	s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	before, applied := l.last, make(chan struct{})
	l.last = applied
	l.calls++
	go func() {
		defer close(applied)
		defer l.set(func(l *instantLog) { l.calls-- })
		if before != nil {
			<-before
		}
		if _, err := l.apply(proposals, s); err != nil {
			s.add(dispatch.Entry{Own: true, Err: err})
		}
	}()
}

func (s *logStream) add(e dispatch.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Own {
		s.flights--
	}
	s.entries = append(s.entries, e)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *logStream) Committed() ([]dispatch.Entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := s.entries
	s.entries = nil
	if len(entries) > 0 && s.log.faults.committed {
		panic(errBug)
	}
	return entries, false
}

func (s *logStream) Close() { s.log.set(func(l *instantLog) { delete(l.streams, s) }) }

// wire carries requests to slaves, and breaks when told to.
type wire struct {
	mu     sync.Mutex
	slaves map[string]*slave // by URL
	calls  []string
	first  func(call string) error // if set, asked before each call
}

// slave is a real worker with a scripted connection.
type slave struct {
	w           *world
	name, url   string
	slots       int
	incarnation string
	worker      *worker.Worker

	mu        sync.Mutex
	silent    bool          // requests arrive and are not answered
	refused   bool          // it is not reached
	closed    bool          // its port refuses new connections; there are no others
	fares     func() error  // if set, what comes of each call before it gets there
	shut      bool          // its port refuses new connections; the one that there is goes on
	loseReply bool          // the next send arrives, its answer does not
	mute      bool          // its reports do not arrive
	stubborn  bool          // its handlers end when they like
	tidies    time.Duration // that its handlers take to end when they are told to
	lie       lie
	ran       map[task.ID]int
	running   int
	most      int
}

// lie is what a slave makes of its answers; what is nil stays true. A call
// ("available", "send", "held", "cancel") for which fails has an error fails.
type lie struct {
	fails    map[string]error
	word     func(a *task.Availability)
	receipts func(rs []task.Receipt)
	held     func(hs []task.Held) []task.Held
}

// told returns the word that reaches the leader.
func (s *slave) told(a task.Availability) task.Availability {
	s.mu.Lock()
	l := s.lie
	s.mu.Unlock()
	if l.word != nil {
		l.word(&a)
	}
	return a
}

func (x *wire) start(w *world, name string, slots int) *slave {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &slave{w: w, name: name, url: "http://" + name, slots: slots, ran: map[task.ID]int{}}
	s.boot(fmt.Sprintf("%s-%d", name, len(x.calls)))
	x.slaves[s.url] = s
	return s
}

func (s *slave) boot(incarnation string) {
	s.incarnation = incarnation
	wk, err := worker.New(worker.Config{
		Name: s.name, Incarnation: incarnation, Slots: s.slots, Reporter: s,
		Handlers: map[string]worker.Handler{task.KindExpression: s.run, "once": s.run},
	})
	if err == nil {
		err = wk.Start()
	}
	if err != nil {
		s.w.t.Fatalf("start slave %s: %v", s.name, err)
	}
	s.worker = wk
}

// restart kills the process and starts a new one under the same name and URL.
func (s *slave) restart() {
	s.kill()
	s.boot(s.incarnation + "'")
}

func (s *slave) kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.worker.Stop(ctx) // at once: its tasks die with it
	synctest.Wait()
}

// errClosed is what comes of a request to a port at which nobody listens.
var errClosed = fmt.Errorf("%w: %w", task.ErrUnreached, task.ErrRefused)

// crash ends the process as SIGKILL does: its connections break, and its port
// refuses.
func (s *slave) crash() {
	s.set(func(s *slave) { s.closed = true })
	s.kill()
	s.w.d.Broke(s.url)
}

func (s *slave) run(ctx context.Context, o task.Order) (task.Value, error) {
	s.mu.Lock()
	s.ran[o.ID]++
	s.running++
	s.most = max(s.most, s.running)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	d, err := time.ParseDuration(o.Expression)
	if err != nil {
		return task.Value{}, err
	}
	s.mu.Lock()
	stop, tidies := ctx.Done(), s.tidies
	if s.stubborn {
		stop = nil
	}
	s.mu.Unlock()
	select {
	case <-time.After(d):
		return task.Value{Type: task.String, Text: o.Expression}, nil
	case <-stop:
		time.Sleep(tidies)
		return task.Value{}, context.Cause(ctx)
	}
}

func (s *slave) set(f func(s *slave)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// runs tells how often each task's execution began.
func (s *slave) runs() map[task.ID]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.ran)
}

func (s *slave) mostAtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

func (s *slave) registration() task.Registration {
	return task.Registration{
		Name: s.name, URL: s.url, Slots: s.slots, Incarnation: s.incarnation,
		Kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}, {Name: "once"}},
	}
}

// Report carries results to whoever leads.
func (s *slave) Report(_ context.Context, r task.Report) ([]task.Verdict, error) {
	s.mu.Lock()
	mute := s.mute
	s.mu.Unlock()
	if mute {
		return nil, errors.New("no master answers")
	}
	return s.w.results(r)
}

// results is what the application does with a report.
func (w *world) results(r task.Report) ([]task.Verdict, error) {
	return w.d.Report(context.Background(), r)
}

// reach finds the slave of a URL, or waits in vain.
func (x *wire) reach(ctx context.Context, what, url string) (*slave, error) {
	x.mu.Lock()
	s := x.slaves[url]
	x.calls = append(x.calls, what+" "+url)
	first := x.first
	x.mu.Unlock()
	if first != nil {
		if err := first(what); err != nil {
			return nil, err
		}
	}
	if s == nil {
		return nil, task.ErrUnreached
	}
	s.mu.Lock()
	silent, refused, fails := s.silent, s.refused, s.lie.fails[what]
	closed := s.closed || s.shut && what == "knock"
	if s.fares != nil && fails == nil {
		fails = s.fares()
	}
	s.mu.Unlock()
	switch {
	case closed:
		return nil, errClosed
	case fails != nil:
		return nil, fails
	case refused:
		return nil, task.ErrUnreached
	case silent:
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s, nil
}

func (x *wire) Available(ctx context.Context, url string, stamp task.Stamp) (task.Availability, error) {
	s, err := x.reach(ctx, "available", url)
	if err != nil {
		return task.Availability{}, err
	}
	a, err := s.worker.Available(stamp)
	return s.told(a), err
}

func (x *wire) Knock(ctx context.Context, url string, stamp task.Stamp) (task.Availability, error) {
	s, err := x.reach(ctx, "knock", url)
	if err != nil {
		return task.Availability{}, err
	}
	a, err := s.worker.Available(stamp)
	return s.told(a), err
}

func (x *wire) Send(ctx context.Context, url string, stamp task.Stamp, incarnation string, orders []task.Order) ([]task.Receipt, task.Availability, error) {
	s, err := x.reach(ctx, "send", url)
	if err != nil {
		return nil, task.Availability{}, err
	}
	receipts, a, err := s.worker.Accept(stamp, incarnation, orders)
	a = s.told(a)
	s.mu.Lock()
	if s.lie.receipts != nil {
		s.lie.receipts(receipts)
	}
	lost := s.loseReply
	s.loseReply = false
	s.mu.Unlock()
	if lost {
		return nil, task.Availability{}, errors.New("connection reset")
	}
	return receipts, a, err
}

func (x *wire) Held(ctx context.Context, url string, stamp task.Stamp) ([]task.Held, task.Availability, error) {
	s, err := x.reach(ctx, "held", url)
	if err != nil {
		return nil, task.Availability{}, err
	}
	held, a, err := s.worker.Held(stamp)
	a = s.told(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lie.held != nil {
		held = s.lie.held(held)
	}
	return held, a, err
}

func (x *wire) Cancel(ctx context.Context, url string, stamp task.Stamp, incarnation string, id task.ID, attempt uint32) (task.Availability, error) {
	s, err := x.reach(ctx, "cancel", url)
	if err != nil {
		return task.Availability{}, err
	}
	a, err := s.worker.Cancel(stamp, incarnation, id, attempt)
	return s.told(a), err
}

func (x *wire) Resize(ctx context.Context, url string, stamp task.Stamp, incarnation string, slots int) (task.Availability, error) {
	s, err := x.reach(ctx, "resize", url)
	if err != nil {
		return task.Availability{}, err
	}
	a, err := s.worker.ResizeTo(stamp, incarnation, slots)
	return s.told(a), err
}

// before sets what may fail a call.
func (x *wire) before(f func(call string) error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.first = f
}

// questions counts the wire's "are you available?".
func (x *wire) count(call string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := 0
	for _, c := range x.calls {
		if c == call {
			n++
		}
	}
	return n
}

// heard takes in a word of a slave that comes without results.
func (w *world) heard(slave string, a task.Availability) error {
	_, err := w.d.Report(w.t.Context(), task.Report{Slave: slave, Availability: a})
	return err
}
