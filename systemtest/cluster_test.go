package systemtest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"muster/api/client"
	"muster/cmd/app"
	"muster/systemtest/ports"
	"muster/systemtest/timelimit"
)

// evaluateChild makes the test binary the child process that evaluates
// expressions.
const evaluateChild = "MUSTER_TEST_EVALUATE_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(evaluateChild) != "" {
		if err := app.EvaluateChild(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// system is a set of masters and slaves on loopback.
type system struct {
	t       *testing.T
	dir     string
	masters map[string]*node
	slaves  map[string]*node
	list    []app.Peer
}

// node is one running master or slave.
type node struct {
	url    string
	stop   context.CancelFunc
	ended  chan error
	config app.MasterConfig
}

func newSystem(t *testing.T) *system {
	t.Helper()
	t.Setenv(evaluateChild, "1") // for the children that slaves start
	s := &system{t: t, dir: t.TempDir(), masters: map[string]*node{}, slaves: map[string]*node{}}
	t.Cleanup(func() {
		for name := range s.slaves {
			s.stopSlave(name)
		}
		for id := range s.masters {
			s.stopMaster(id)
		}
	})
	return s
}

// threeMasters forms a cluster by one identical list.
func threeMasters(t *testing.T) *system {
	t.Helper()
	s := newSystem(t)
	for i := 1; i <= 3; i++ {
		s.list = append(s.list, app.Peer{ID: fmt.Sprintf("m%d", i), RaftAddress: ports.Free(t, "127.0.0.1"), APIURL: "http://" + ports.Free(t, "127.0.0.1")})
	}
	for _, p := range s.list {
		s.startMaster(app.MasterConfig{ID: p.ID, RaftListen: p.RaftAddress, APIListen: p.APIURL[len("http://"):], Masters: s.list})
	}
	s.awaitLeader()
	return s
}

// startMaster starts a master with the test's defaults.
func (s *system) startMaster(cfg app.MasterConfig) {
	s.t.Helper()
	cfg.DataDir = filepath.Join(s.dir, cfg.ID)
	cfg.Version = "test"
	cfg.Logger = s.logger("master", cfg.ID)
	cfg.Network.Listen = s.listen
	n := &node{config: cfg, url: "http://" + cfg.APIListen}
	n.run(func(ctx context.Context, ready func(string)) error { return app.RunMaster(ctx, cfg, ready) })
	s.masters[cfg.ID] = n
}

// startSlave starts a slave that knows all masters, behind what else is in its list.
func (s *system) startSlave(name string, slots int, first ...string) {
	s.t.Helper()
	cfg := app.SlaveConfig{
		Name: name, Listen: ports.Free(s.t, "127.0.0.1"), Slots: slots, Masters: append(first, s.urls()...),
		EvaluateCommand: []string{os.Args[0]}, DrainTimeout: timelimit.Usual(s.t), Logger: s.logger("slave", name),
		Network: app.Network{Listen: s.listen},
	}
	n := &node{url: "http://" + cfg.Listen}
	n.run(func(ctx context.Context, ready func(string)) error { return app.RunSlave(ctx, cfg, ready) })
	s.slaves[name] = n
	s.await("slave "+name+" to register", func(ctx context.Context) error {
		slaves, err := s.client().Slaves(ctx, client.ReadOptions{Linearizable: true})
		if err != nil {
			return err
		}
		for _, x := range slaves {
			if x.Name == name && x.State == "alive" && x.URL == n.url {
				return nil
			}
		}
		return fmt.Errorf("registry: %+v", slaves)
	})
}

// listen waits until the address is free. What listens in this process is copied into
// each child that slaves start, until the child's own program runs, and so may hold an
// address for a moment after it was closed here.
func (s *system) listen(ctx context.Context, address string) (net.Listener, error) {
	var listener net.Listener
	err := timelimit.Poll(s.t, func(context.Context) (err error) {
		var lc net.ListenConfig
		listener, err = lc.Listen(ctx, "tcp", address)
		return err
	})
	return listener, err
}

// run starts a process in this one. It returns once it listens, or has failed.
func (n *node) run(main func(ctx context.Context, ready func(string)) error) {
	ctx, cancel := context.WithCancel(context.Background())
	n.stop, n.ended = cancel, make(chan error, 1)
	listening := make(chan struct{})
	go func() { n.ended <- main(ctx, func(string) { close(listening) }) }()
	select {
	case <-listening:
	case err := <-n.ended:
		n.ended <- err
	}
}

func (s *system) stopMaster(id string) {
	s.t.Helper()
	s.end("master "+id, s.masters[id])
	delete(s.masters, id)
}

func (s *system) stopSlave(name string) {
	s.t.Helper()
	s.end("slave "+name, s.slaves[name])
	delete(s.slaves, name)
}

func (s *system) end(what string, n *node) {
	s.t.Helper()
	n.stop()
	select {
	case err := <-n.ended:
		if err != nil {
			s.t.Errorf("%s ended with: %v", what, err)
		}
	case <-time.After(2 * timelimit.Usual(s.t)):
		s.t.Errorf("%s did not end", what)
	}
}

// logger writes to the test's log if MUSTER_TEST_LOG is set.
func (s *system) logger(role, name string) *slog.Logger {
	if os.Getenv("MUSTER_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With(role, name)
}

func (s *system) urls() []string {
	var out []string
	for _, n := range s.masters {
		out = append(out, n.url)
	}
	return out
}

// client returns a client of these masters; none: of all.
func (s *system) client(ids ...string) *client.Client {
	s.t.Helper()
	addresses := s.urls()
	if len(ids) > 0 {
		addresses = nil
		for _, id := range ids {
			addresses = append(addresses, s.masters[id].url)
		}
	}
	c, err := client.New(client.Config{Addresses: addresses})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// await repeats a question until it is answered without an error.
func (s *system) await(what string, ask func(ctx context.Context) error) {
	s.t.Helper()
	timelimit.Eventually(s.t, what, ask)
}

// awaitLeader waits until every master knows a leader, and returns its id.
func (s *system) awaitLeader() (id string) {
	s.t.Helper()
	s.await("a leader", func(ctx context.Context) error {
		id = ""
		for _, n := range s.masters {
			st, err := s.client().Status(ctx, n.url, false)
			switch {
			case err != nil:
				return err
			case !st.Ready:
				return errors.New(st.NotReady)
			case id != "" && id != st.LeaderID:
				return fmt.Errorf("two leaders: %s and %s", id, st.LeaderID)
			}
			id = st.LeaderID
		}
		if s.masters[id] == nil {
			return fmt.Errorf("the leader %q does not run", id)
		}
		return nil
	})
	return id
}

// follower returns the id of a master that does not lead.
func (s *system) follower() string {
	s.t.Helper()
	leader := s.awaitLeader()
	for id := range s.masters {
		if id != leader {
			return id
		}
	}
	s.t.Fatal("there is no follower")
	return ""
}

// context bounds a test's calls.
func (s *system) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), timelimit.Of(s.t, 2*time.Minute))
	s.t.Cleanup(cancel)
	return ctx
}
