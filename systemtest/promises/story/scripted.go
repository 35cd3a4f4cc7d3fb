package story

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"muster/api/client"
	"muster/slave/evaluate"
	"muster/slave/link"
	"muster/slave/worker"
	"muster/systemtest/evidence"
	"muster/systemtest/simnet"
	"muster/task"
)

// Endpoint is one of the calls that a slave answers.
type Endpoint string

// What masters call at a slave.
const (
	Asked     Endpoint = "GET /available"
	Sent      Endpoint = "POST /tasks"
	Listed    Endpoint = "GET /tasks"
	Cancelled Endpoint = "POST /tasks/{id}/cancel"
)

// Endpoints are all of them.
var Endpoints = [...]Endpoint{Asked, Sent, Listed, Cancelled}

// EndpointOf returns the endpoint that a request is for.
func EndpointOf(r *http.Request) Endpoint {
	if strings.HasSuffix(r.URL.Path, "/cancel") {
		return Cancelled
	}
	return Endpoint(r.Method + " " + r.URL.Path)
}

// Script answers one request in the place of a good slave. good answers as that
// would.
type Script func(rw http.ResponseWriter, r *http.Request, good http.Handler)

// Scripted is a slave whose every answer a story can script. Without a script it
// is a good one: the real worker behind the real endpoints. It registers only
// when the story has it do so.
type Scripted struct {
	W           *World
	Name        string
	Slots       int
	kinds       []task.Kind
	starts      int // incarnations so far
	Incarnation string
	process     *simnet.Process
	Worker      *worker.Worker
	API         *client.Client // of all masters
	stop        func()         // ends the present run; nil: down

	mu      sync.Mutex
	as      string              // the name under which executions are noted; empty: they are not; under mu
	scripts map[Endpoint]Script // under mu
	reports reporter            // instead of its own way; under mu
	calls   []call              // that masters made; under mu
}

// reporter is worker.Reporter as a function.
type reporter func(ctx context.Context, r task.Report) ([]task.Verdict, error)

// call is one request of a master.
type call struct {
	at time.Time
	Endpoint
}

// Script starts a slave that is not registered yet.
func (w *World) Script(name string, slots int) *Scripted {
	w.T.Helper()
	s := &Scripted{
		W: w, Name: name, as: name, Slots: slots, scripts: map[Endpoint]Script{},
		kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}, {Name: Once}},
	}
	w.scripted = append(w.scripted, s)
	w.Seen.Slave(name, slots)
	s.start()
	return s
}

const (
	// Once is a kind that is not idempotent. Its tasks are expressions, too.
	Once = "once"
	// Unseen is what a scripted slave executes without being asked by a master.
	Unseen = "unseen"
)

// URL is where the slave listens.
func (s *Scripted) URL() string { return "http://" + s.Name + ":90" }

// start begins a new incarnation on the slave's host.
func (s *Scripted) start() {
	s.W.T.Helper()
	s.starts++
	s.Incarnation = fmt.Sprintf("%s-%d", s.Name, s.starts)
	s.process = s.W.Net.Start(s.Name)
	transport := &http.Transport{DialContext: s.process.Dial}
	var urls []string
	for _, m := range s.W.Masters {
		urls = append(urls, m.URL())
	}
	var err error
	s.API, err = client.New(client.Config{Addresses: urls, HTTPClient: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		s.W.T.Fatal(err)
	}
	handlers := map[string]worker.Handler{Unseen: evaluate.New(nil).Evaluate}
	for _, k := range s.kinds {
		handlers[k.Name] = s.handler(s.starts)
	}
	s.Worker, err = worker.New(worker.Config{
		Name: s.Name, Incarnation: s.Incarnation, Slots: s.Slots, Handlers: handlers, Reporter: s, Logger: s.W.logger("slave", s.Name),
	})
	if err == nil {
		err = s.Worker.Start()
	}
	if err != nil {
		s.W.T.Fatal(err)
	}
	listener, err := s.process.Listen(context.Background(), s.Name+":90")
	if err != nil {
		s.W.T.Fatal(err)
	}
	server := link.NewServer(s.Worker, s.W.logger("slave", s.Name), s.Name)
	good := server.Handler
	server.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { s.serve(rw, r, good) })
	var served sync.WaitGroup
	served.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.W.T.Errorf("%s: %v", s.Name, err)
		}
	})
	w := s.Worker
	s.stop = func() {
		_ = server.Close() // nothing is left to do about it
		served.Wait()
		if err := w.Stop(context.Background()); err != nil {
			s.W.T.Error(err)
		}
		transport.CloseIdleConnections()
	}
}

// handler executes an expression, and notes it.
func (s *Scripted) handler(incarnation int) worker.Handler {
	evaluator := evaluate.New(nil)
	return func(ctx context.Context, o task.Order) (task.Value, error) {
		s.mu.Lock()
		as := s.as
		s.mu.Unlock()
		end := func() {}
		if as != "" {
			end = s.W.Seen.Begin(evidence.Run{Slave: as, Incarnation: incarnation, Task: uint64(o.ID), Attempt: o.Attempt})
		}
		v, err := evaluator.Evaluate(ctx, o)
		end()
		return v, err
	}
}

// GoesBy has executions noted under another name; "": not at all.
func (s *Scripted) GoesBy(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.as = name
}

// serve answers by the script, or as a good slave.
func (s *Scripted) serve(rw http.ResponseWriter, r *http.Request, good http.Handler) {
	e := EndpointOf(r)
	s.mu.Lock()
	s.calls = append(s.calls, call{time.Now(), e})
	scripted := s.scripts[e]
	s.mu.Unlock()
	if scripted == nil {
		good.ServeHTTP(rw, r)
		return
	}
	scripted(rw, r, good)
}

// Report is the way of the worker's results.
func (s *Scripted) Report(ctx context.Context, r task.Report) ([]task.Verdict, error) {
	s.mu.Lock()
	report := s.reports
	s.mu.Unlock()
	if report == nil {
		report = s.API.Report
	}
	return report(ctx, r)
}

// Answers scripts an endpoint; nil: as a good slave.
func (s *Scripted) Answers(e Endpoint, how Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[e] = how
}

// Reporting scripts the way of results; nil: to the masters.
func (s *Scripted) Reporting(how reporter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = how
}

// Behave ends all scripts.
func (s *Scripted) Behave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.scripts)
	s.reports = nil
}

// Crash ends the run as SIGKILL does.
func (s *Scripted) Crash() {
	if s.stop == nil {
		return
	}
	s.process.Crash()
	s.stop()
	s.stop = nil
}

// Restart starts the slave again under its name, as a new incarnation.
func (s *Scripted) Restart() {
	s.W.T.Helper()
	s.Crash()
	s.start()
}

// Registration is what a good slave says of itself.
func (s *Scripted) Registration() task.Registration {
	return task.Registration{Name: s.Name, URL: s.URL(), Slots: s.Slots, Incarnation: s.Incarnation, Kinds: s.kinds}
}

// Tries to register, once.
func (s *Scripted) Tries(r task.Registration) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := s.API.RegisterSlave(ctx, r)
	return err
}

// Register registers the slave.
func (s *Scripted) Register() {
	s.W.T.Helper()
	s.W.Await(s.Name+" to register", func(context.Context) error { return s.Tries(s.Registration()) })
}

// Becomes waits until the registry has the slave in a state.
func (s *Scripted) Becomes(state client.SlaveState) {
	s.W.T.Helper()
	s.W.Await(fmt.Sprintf("%s to become %s", s.Name, state), func(ctx context.Context) error {
		x, err := s.W.Entry(ctx, s.Name)
		if err == nil && x.State != state {
			err = fmt.Errorf("it is %s", x.State)
			s.W.Sleep(100 * time.Millisecond) // such a change takes seconds
		}
		return err
	})
}

// Called tells how often masters called an endpoint (all, without one) since a
// time, and how often at most within one second.
func (s *Scripted) Called(since time.Time, of ...Endpoint) (total, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var times []time.Time
	for _, c := range s.calls {
		if c.at.Before(since) || len(of) > 0 && c.Endpoint != of[0] {
			continue
		}
		times = append(times, c.at)
		for times[0].Before(c.at.Add(-time.Second)) {
			times = times[1:]
		}
		total, most = total+1, max(most, len(times))
	}
	return total, most
}

// Entry returns a slave's entry in the leader's registry.
func (w *World) Entry(ctx context.Context, name string) (client.Slave, error) {
	all, err := w.Observer.API.Slaves(ctx, client.ReadOptions{Linearizable: true})
	if err != nil {
		return client.Slave{}, err
	}
	for _, x := range all {
		if x.Name == name {
			return x, nil
		}
	}
	return client.Slave{}, fmt.Errorf("the registry has no %s", name)
}
