package slave_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"muster/slave"
	"muster/slave/link"
	"muster/task"
	"muster/task/wait"
)

const slaveURL = "http://slave-1:9001"

// pipe is a listener in memory, so that HTTP works in fake time.
type pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipe() *pipe { return &pipe{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipe) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// masters is a cluster in one struct: it calls the slave back when it
// registers, as a leader does, and records what it hears.
type masters struct {
	sender *link.Sender

	mu            sync.Mutex
	cluster       string // empty: of a version that does not say
	term          uint64
	sequence      uint64
	refusal       error // of everything, if set
	registrations []task.Registration
	attempts      int // registrations, refused ones included
	results       []task.Result
	left          []string // incarnations
}

func (m *masters) stamp() task.Stamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sequence++
	return task.Stamp{Cluster: m.cluster, Term: max(1, m.term), Sequence: m.sequence}
}

// become is another cluster from now on, with terms of its own.
func (m *masters) become(cluster string, term uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cluster, m.term, m.sequence = cluster, term, 0
}

func (m *masters) own() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cluster
}

func (m *masters) refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refusal = err
}

func (m *masters) refused() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.refusal
}

func (m *masters) RegisterSlave(ctx context.Context, r task.Registration) (string, error) {
	m.mu.Lock()
	m.attempts++
	m.mu.Unlock()
	if err := m.refused(); err != nil {
		return m.own(), err
	}
	a, err := m.sender.Available(ctx, r.URL, m.stamp())
	switch {
	case errors.Is(err, task.ErrWrongCluster):
		return m.own(), task.Refuse(task.CodeWrongCluster, err.Error())
	case err != nil:
		return m.own(), task.Refuse(task.CodeSlaveUnreachable, err.Error())
	case a.Incarnation != r.Incarnation:
		return m.own(), task.Refuse(task.CodeWrongIncarnation, a.Incarnation+" answers")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.registrations = append(m.registrations, r)
	return m.cluster, nil
}

func (m *masters) Report(_ context.Context, r task.Report) ([]task.Verdict, error) {
	if err := m.refused(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Cluster != "" && m.cluster != "" && r.Cluster != m.cluster {
		return nil, task.Refuse(task.CodeWrongCluster, "the report is of cluster "+r.Cluster)
	}
	vs := make([]task.Verdict, len(r.Results))
	for i, res := range r.Results {
		vs[i] = task.Verdict{ID: res.ID, Attempt: res.Attempt}
	}
	m.results = append(m.results, r.Results...)
	return vs, nil
}

func (m *masters) LeaveSlave(_ context.Context, _, incarnation string) error {
	if err := m.refused(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = append(m.left, incarnation)
	return nil
}

// heard returns a copy of what was recorded.
func (m *masters) heard() (registrations []task.Registration, results []task.Result, left []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append(registrations, m.registrations...), append(results, m.results...), append(left, m.left...)
}

// rig is a slave that runs, and its masters. It lives in a synctest bubble.
type rig struct {
	*masters
	t     *testing.T
	slave *slave.Slave
	stop  context.CancelFunc
	done  chan error
}

// run starts a slave whose tasks of the kind "sleep" take ten seconds.
func run(t *testing.T, refusal error, change func(*slave.Config)) *rig {
	t.Helper()
	l := newPipe()
	m := &masters{sender: link.NewSender(link.SenderConfig{Dial: l.dial}), refusal: refusal}
	t.Cleanup(m.sender.Close)
	cfg := slave.Config{
		Name: "slave-1", Listener: l, Advertise: slaveURL + "/", Slots: 2, Masters: m,
		Kinds: []slave.Kind{
			{Name: "sleep", Idempotent: true, Handle: func(ctx context.Context, o task.Order) (task.Value, error) {
				if !wait.Sleep(ctx, 10*time.Second) {
					return task.Value{}, ctx.Err()
				}
				return task.Value{Type: task.Number, Text: o.ID.String()}, nil
			}},
			{Name: "once", Handle: func(context.Context, task.Order) (task.Value, error) { return task.Value{}, nil }},
		},
	}
	if change != nil {
		change(&cfg)
	}
	s, err := slave.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &rig{masters: m, t: t, slave: s, stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx) }()
	synctest.Wait()
	return r
}

// end stops the slave and returns what Run returned.
func (r *rig) end() error {
	r.stop()
	err := <-r.done
	r.sender.Close() // a kept connection is a goroutine
	synctest.Wait()
	return err
}

func (r *rig) incarnation() string {
	r.t.Helper()
	regs, _, _ := r.heard()
	if len(regs) == 0 {
		r.t.Fatal("the slave is not registered")
	}
	return regs[len(regs)-1].Incarnation
}

func (r *rig) send(ids ...task.ID) []task.Receipt {
	r.t.Helper()
	orders := make([]task.Order, len(ids))
	for i, id := range ids {
		orders[i] = task.Order{ID: id, Attempt: 1, Kind: "sleep"}
	}
	receipts, _, err := r.sender.Send(r.t.Context(), slaveURL, r.stamp(), r.incarnation(), orders)
	if err != nil {
		r.t.Fatal(err)
	}
	return receipts
}
