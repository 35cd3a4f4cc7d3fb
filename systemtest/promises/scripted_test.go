package promises_test

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

// endpoint is one of the calls that a slave answers.
type endpoint string

const (
	asked     endpoint = "GET /available"
	sent      endpoint = "POST /tasks"
	listed    endpoint = "GET /tasks"
	cancelled endpoint = "POST /tasks/{id}/cancel"
)

var endpoints = []endpoint{asked, sent, listed, cancelled}

func endpointOf(r *http.Request) endpoint {
	if strings.HasSuffix(r.URL.Path, "/cancel") {
		return cancelled
	}
	return endpoint(r.Method + " " + r.URL.Path)
}

// script answers one request in the place of a good slave. good answers as that
// would.
type script func(rw http.ResponseWriter, r *http.Request, good http.Handler)

// scripted is a slave whose every answer a story can script. Without a script it
// is a good one: the real worker behind the real endpoints. It registers only
// when the story has it do so.
type scripted struct {
	w           *world
	name        string
	slots       int
	kinds       []task.Kind
	starts      int // incarnations so far
	incarnation string
	process     *simnet.Process
	worker      *worker.Worker
	api         *client.Client // of all masters
	stop        func()         // ends the present run; nil: down

	mu      sync.Mutex
	as      string              // the name under which executions are noted; empty: they are not; under mu
	scripts map[endpoint]script // under mu
	reports reporter            // instead of its own way; under mu
	calls   []call              // that masters made; under mu
}

// reporter is worker.Reporter as a function.
type reporter func(ctx context.Context, r task.Report) ([]task.Verdict, error)

// call is one request of a master.
type call struct {
	at time.Time
	endpoint
}

// script starts a slave that is not registered yet.
func (w *world) script(name string, slots int) *scripted {
	w.t.Helper()
	s := &scripted{
		w: w, name: name, as: name, slots: slots, scripts: map[endpoint]script{},
		kinds: []task.Kind{{Name: task.KindExpression, Idempotent: true}, {Name: once}},
	}
	w.scripted = append(w.scripted, s)
	w.seen.Slave(name, slots)
	s.start()
	return s
}

const (
	// once is a kind that is not idempotent. Its tasks are expressions, too.
	once = "once"
	// unseen is what a scripted slave executes without being asked by a master.
	unseen = "unseen"
)

func (s *scripted) url() string { return "http://" + s.name + ":90" }

// start begins a new incarnation on the slave's host.
func (s *scripted) start() {
	s.w.t.Helper()
	s.starts++
	s.incarnation = fmt.Sprintf("%s-%d", s.name, s.starts)
	s.process = s.w.net.Start(s.name)
	transport := &http.Transport{DialContext: s.process.Dial}
	var urls []string
	for _, m := range s.w.masters {
		urls = append(urls, m.url())
	}
	var err error
	s.api, err = client.New(client.Config{Addresses: urls, HTTPClient: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}})
	if err != nil {
		s.w.t.Fatal(err)
	}
	handlers := map[string]worker.Handler{unseen: evaluate.New(nil).Evaluate}
	for _, k := range s.kinds {
		handlers[k.Name] = s.handler(s.starts)
	}
	s.worker, err = worker.New(worker.Config{
		Name: s.name, Incarnation: s.incarnation, Slots: s.slots, Handlers: handlers, Reporter: s, Logger: s.w.logger("slave", s.name),
	})
	if err == nil {
		err = s.worker.Start()
	}
	if err != nil {
		s.w.t.Fatal(err)
	}
	listener, err := s.process.Listen(context.Background(), s.name+":90")
	if err != nil {
		s.w.t.Fatal(err)
	}
	server := link.NewServer(s.worker, s.w.logger("slave", s.name), s.name)
	good := server.Handler
	server.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { s.serve(rw, r, good) })
	var served sync.WaitGroup
	served.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.w.t.Errorf("%s: %v", s.name, err)
		}
	})
	w := s.worker
	s.stop = func() {
		_ = server.Close() // nothing is left to do about it
		served.Wait()
		if err := w.Stop(context.Background()); err != nil {
			s.w.t.Error(err)
		}
		transport.CloseIdleConnections()
	}
}

// handler executes an expression, and notes it.
func (s *scripted) handler(incarnation int) worker.Handler {
	evaluator := evaluate.New(nil)
	return func(ctx context.Context, o task.Order) (task.Value, error) {
		s.mu.Lock()
		as := s.as
		s.mu.Unlock()
		end := func() {}
		if as != "" {
			end = s.w.seen.Begin(evidence.Run{Slave: as, Incarnation: incarnation, Task: uint64(o.ID), Attempt: o.Attempt})
		}
		v, err := evaluator.Evaluate(ctx, o)
		end()
		return v, err
	}
}

// goesBy has executions noted under another name; "": not at all.
func (s *scripted) goesBy(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.as = name
}

// serve answers by the script, or as a good slave.
func (s *scripted) serve(rw http.ResponseWriter, r *http.Request, good http.Handler) {
	e := endpointOf(r)
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
func (s *scripted) Report(ctx context.Context, r task.Report) ([]task.Verdict, error) {
	s.mu.Lock()
	report := s.reports
	s.mu.Unlock()
	if report == nil {
		report = s.api.Report
	}
	return report(ctx, r)
}

// answers scripts an endpoint; nil: as a good slave.
func (s *scripted) answers(e endpoint, how script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[e] = how
}

// reporting scripts the way of results; nil: to the masters.
func (s *scripted) reporting(how reporter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = how
}

// behave ends all scripts.
func (s *scripted) behave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.scripts)
	s.reports = nil
}

// crash ends the run as SIGKILL does.
func (s *scripted) crash() {
	if s.stop == nil {
		return
	}
	s.process.Crash()
	s.stop()
	s.stop = nil
}

// restart starts the slave again under its name, as a new incarnation.
func (s *scripted) restart() {
	s.w.t.Helper()
	s.crash()
	s.start()
}

// registration is what a good slave says of itself.
func (s *scripted) registration() task.Registration {
	return task.Registration{Name: s.name, URL: s.url(), Slots: s.slots, Incarnation: s.incarnation, Kinds: s.kinds}
}

// tries to register, once.
func (s *scripted) tries(r task.Registration) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := s.api.RegisterSlave(ctx, r)
	return err
}

// register registers the slave.
func (s *scripted) register() {
	s.w.t.Helper()
	s.w.await(s.name+" to register", func(context.Context) error { return s.tries(s.registration()) })
}

// becomes waits until the registry has the slave in a state.
func (s *scripted) becomes(state client.SlaveState) {
	s.w.t.Helper()
	s.w.await(fmt.Sprintf("%s to become %s", s.name, state), func(ctx context.Context) error {
		x, err := s.w.entry(ctx, s.name)
		if err == nil && x.State != state {
			err = fmt.Errorf("it is %s", x.State)
			s.w.sleep(100 * time.Millisecond) // such a change takes seconds
		}
		return err
	})
}

// called tells how often masters called an endpoint (all, without one) since a
// time, and how often at most within one second.
func (s *scripted) called(since time.Time, of ...endpoint) (total, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var times []time.Time
	for _, c := range s.calls {
		if c.at.Before(since) || len(of) > 0 && c.endpoint != of[0] {
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

// entry returns a slave's entry in the leader's registry.
func (w *world) entry(ctx context.Context, name string) (client.Slave, error) {
	all, err := w.observer.api.Slaves(ctx, client.ReadOptions{Linearizable: true})
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
