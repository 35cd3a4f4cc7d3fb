package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"muster/fsm"
	"muster/systemtest/timelimit"
	"muster/systemtest/tmpfs"
	"muster/task"
	"muster/task/wait"
)

// linger is, in fake time, longer than any time-out of raft.InmemTransport.
const linger = time.Minute

// What hashicorp/raft and its store call things on the disk.
const (
	logFile       = "raft.db"
	snapshotsDir  = "snapshots"
	unfinished    = ".tmp"
	keptSnapshots = 2
)

// errKilled ends a node as a crash does: no transfer, no answers.
var errKilled = errors.New("killed by the test")

// world is some masters: real nodes on real files. Raft's messages go through
// TCP, or, in fake time, through memory; the masters' APIs are method calls.
type world struct {
	t       *testing.T
	tcp     bool
	dir     string // of the masters' directories
	mu      sync.Mutex
	byURL   map[string]*master                          // those that run, under mu
	inmem   map[raft.ServerAddress]*raft.InmemTransport // those that run, under mu
	masters map[string]*master
}

// master is one master over its restarts.
type master struct {
	w        *world
	id       string
	dir      string
	raftAddr string
	url      string
	adjust   func(*Config) // may be nil
	opened   func(*Node)   // before it runs; may be nil
	// dial opens connections to other masters, with TCP; may be nil.
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	node *Node         // of the current run
	stop func()        // asks the current run to end
	done chan struct{} // closed when Run has returned
	err  error         // what Run returned, valid after done
}

func newWorld(t *testing.T, tcp bool) *world {
	t.Helper()
	w := &world{t: t, tcp: tcp, dir: tmpfs.Directory(t), byURL: map[string]*master{}, inmem: map[raft.ServerAddress]*raft.InmemTransport{}, masters: map[string]*master{}}
	t.Cleanup(func() {
		for _, m := range w.masters {
			_ = m.halt() // how it ended is the test's matter
		}
		if !tcp {
			// A request of Raft's to a master that is gone ends by its time-out, after
			// Run; a bubble must not end before it.
			time.Sleep(linger)
		}
	})
	return w
}

// master makes a master with a new directory, not running.
func (w *world) master(id string) *master {
	w.t.Helper()
	m := &master{w: w, id: id, dir: w.newDir(), raftAddr: id + ":1", url: "http://" + id}
	if w.tcp {
		ln := listen(w.t)
		m.raftAddr = ln.Addr().String()
		if err := ln.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.masters[id] = m
	return m
}

func (w *world) newDir() string {
	w.t.Helper()
	dir, err := os.MkdirTemp(w.dir, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return dir
}

func (w *world) trio() []*master {
	w.t.Helper()
	return []*master{w.master("m1"), w.master("m2"), w.master("m3")}
}

func founders(masters ...*master) func(*Config) {
	return func(c *Config) {
		for _, m := range masters {
			c.Founders = append(c.Founders, Founder{ID: m.id, RaftAddress: m.raftAddr, APIURL: m.url})
		}
	}
}

func bootstrap(c *Config) { c.Bootstrap = true }

func joining(masters ...*master) func(*Config) {
	return func(c *Config) {
		for _, m := range masters {
			c.Join = append(c.Join, m.url)
		}
	}
}

// open opens the master's directory.
func (m *master) open(mode func(*Config)) (*Node, error) {
	m.w.t.Helper()
	cfg := Config{
		ID: m.id, DataDir: m.dir, RaftAdvertise: m.raftAddr, APIURL: m.url,
		Transport: m.w.transport(m), Peers: peers{m.w},
		JoinTimeout: 5 * time.Second,
	}
	if os.Getenv("MUSTER_TEST_LOG") != "" {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if mode != nil {
		mode(&cfg)
	}
	if m.adjust != nil {
		m.adjust(&cfg)
	}
	n, err := Open(cfg)
	if err != nil {
		m.w.closeTransport(m, cfg.Transport)
	}
	return n, err
}

// start runs the master.
func (m *master) start(mode func(*Config)) {
	m.w.t.Helper()
	n, err := m.open(mode)
	if err != nil {
		m.w.t.Fatalf("open %s: %v", m.id, err)
	}
	if m.opened != nil {
		m.opened(n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.node, m.stop, m.done = n, cancel, make(chan struct{})
	m.w.mu.Lock()
	m.w.byURL[m.url] = m
	m.w.mu.Unlock()
	go func() {
		defer close(m.done)
		m.err = n.Run(ctx)
		m.w.gone(m)
	}()
}

// halt ends the master in order and returns what Run returned.
func (m *master) halt() error {
	if m.done == nil {
		return nil
	}
	m.stop()
	<-m.done
	return m.err
}

// kill ends the master as a crash does.
func (m *master) kill() {
	m.w.gone(m)
	m.node.fail(errKilled)
	<-m.done
}

// ends waits for Run to return by itself and returns its error.
func (m *master) ends() error {
	m.w.t.Helper()
	if !wait.For(m.done, timelimit.Of(m.w.t, time.Minute)) {
		m.w.t.Fatalf("%s did not stop", m.id)
	}
	return m.err
}

// wipe empties the master's directory.
func (m *master) wipe() {
	m.dir = m.w.newDir()
}

// eventually waits, in bounded time, until something holds.
func (w *world) eventually(what string, holds func() bool, missing ...*error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timelimit.Usual(w.t))
	defer cancel()
	for !holds() {
		if !wait.Sleep(ctx, 5*time.Millisecond) {
			for _, m := range missing {
				w.t.Error(*m)
			}
			w.t.Fatalf("not in time: %s", what)
		}
	}
}

// leader waits for one of the masters to lead and to be in the registry.
func (w *world) leader(of ...*master) *master {
	w.t.Helper()
	var leader *master
	w.eventually("a leader", func() bool {
		for _, m := range of {
			if m.node.IsLeader() && m.node.registered() {
				leader = m
				return true
			}
		}
		return false
	})
	return leader
}

func others(all []*master, not *master) []*master {
	var rest []*master
	for _, m := range all {
		if m != not {
			rest = append(rest, m)
		}
	}
	return rest
}

// ready waits until all masters are.
func (w *world) ready(masters ...*master) {
	w.t.Helper()
	for _, m := range masters {
		var missing error
		w.eventually(m.id+" ready", func() bool { missing = m.node.Ready(); return missing == nil }, &missing)
	}
}

// level waits until all masters have applied the same and know the same
// members, and compares what they applied.
func (w *world) level(masters ...*master) {
	w.t.Helper()
	w.eventually("equal indexes and configurations", func() bool {
		for _, m := range masters {
			if m.node.AppliedIndex() != masters[0].node.AppliedIndex() || m.configuration() != masters[0].configuration() {
				return false
			}
		}
		return true
	})
	for _, m := range masters[1:] {
		if a, b := masters[0].node.View(), m.node.View(); a.Index() == b.Index() && a.Fingerprint() != b.Fingerprint() {
			w.t.Errorf("%s and %s differ at index %d", masters[0].id, m.id, a.Index())
		}
	}
}

// submit is a command that makes a task.
func submit(key string) fsm.Proposal {
	return fsm.Proposal{Command: fsm.SubmitTask{
		Key:  key,
		Spec: task.Spec{Kind: task.KindExpression, Expression: "1+1", MaxTries: 3, TimeoutMS: 1000, Idempotent: true},
	}}
}

// put submits one task at a master, which must accept it.
func (m *master) put(key string) task.ID {
	m.w.t.Helper()
	outcomes, err := m.node.Propose(context.Background(), submit(key))
	if err != nil {
		m.w.t.Fatalf("propose at %s: %v", m.id, err)
	}
	if outcomes[0].Task == nil {
		m.w.t.Fatalf("outcome %+v", outcomes[0])
	}
	return outcomes[0].Task.ID
}

func codeOf(err error) task.Code {
	if refused, ok := errors.AsType[*task.Error](err); ok {
		return refused.Code
	}
	return ""
}

// membership is who is a member, byte for byte: Raft's configuration and the
// registry, as they are encoded.
func (m *master) membership() string {
	m.w.t.Helper()
	var registry []fsm.Proposal
	for _, x := range m.node.View().Masters() {
		registry = append(registry, fsm.Proposal{Command: fsm.PutMaster{ID: x.ID, RaftAddress: x.RaftAddress, APIURL: x.APIURL, Commands: x.Commands}})
	}
	encoded, err := fsm.Encode(fsm.Envelope{Proposals: registry})
	if err != nil {
		m.w.t.Fatal(err)
	}
	c := raft.EncodeConfiguration(m.node.raft.Load().GetConfiguration().Configuration())
	return fmt.Sprintf("%q\n%q", c, encoded)
}

// configuration is the membership as Raft has it, for comparison.
func (m *master) configuration() string {
	return fmt.Sprint(m.node.raft.Load().GetConfiguration().Configuration().Servers)
}
