package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"muster/api"
	"muster/cluster"
	"muster/cluster/commit"
	"muster/cluster/dispatch"
	"muster/fsm"
	"muster/slave/link"
)

// shutdownTimeout bounds how long open requests may take when a process ends.
const shutdownTimeout = 5 * time.Second

// RunMaster runs a master until ctx ends or it fails. On ctx's end a leader
// hands leadership away first. ready, if not nil, is called once the API
// listens, with its base URL.
//
//	clients, slaves ──HTTP──▶ api ──▶ backend ──▶ dispatch (the leader's, one per term)
//	                                     │            │  ▲ Log
//	other masters ◀──Raft──▶ cluster ◀───┘            ▼  │
//	                                            slave/link.Sender ──HTTP──▶ slaves
func RunMaster(ctx context.Context, cfg MasterConfig, ready func(apiURL string)) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	apiListener, err := cfg.Network.listen(ctx, cfg.APIListen)
	if err != nil {
		return fmt.Errorf("listen for the API on %s (--api-listen): %w", cfg.APIListen, err)
	}
	defer apiListener.Close() //nolint:errcheck // closed by the server, too
	m, err := newMaster(ctx, cfg)
	if err != nil {
		return err
	}
	return m.run(ctx, apiListener, ready)
}

// master is one wired master.
type master struct {
	cfg     MasterConfig
	node    *cluster.Node
	backend *backend
	sender  *link.Sender // to slaves
	peers   *http.Client // to other masters
	server  *http.Server
	// Of all terms in which this master leads.
	sequence atomic.Uint64
	breaker  *dispatch.Breaker
}

func newMaster(ctx context.Context, cfg MasterConfig) (*master, error) {
	transport, err := cfg.transport(ctx)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(cfg.Metrics...)
	httpClient := cfg.Network.client()

	m := &master{cfg: cfg, backend: &backend{version: cfg.Version}, peers: httpClient}
	m.sender = link.NewSender(link.SenderConfig{Dial: cfg.Network.dial(), Broken: m.backend.broke})
	panics := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "muster_dispatch_panics_total", Help: "Panics of this master's dispatcher, which are mistakes in muster: the log has the stack.",
	})
	registry.MustRegister(panics)
	m.breaker = dispatch.NewBreaker(panics.Inc)
	m.node, err = cluster.Open(cluster.Config{
		ID: cfg.ID, DataDir: cfg.DataDir, RaftAdvertise: cfg.RaftAdvertise, APIURL: cfg.APIAdvertise,
		Transport: transport, Peers: peers{httpClient},
		Bootstrap: cfg.Bootstrap, Join: cfg.Join, Founders: cfg.founders(),
		Timings: cfg.timings(), SnapshotThreshold: cfg.SnapshotThreshold, TrailingLogs: cfg.TrailingLogs, MinFreeDisk: cfg.MinFreeDisk,
		Lead: m.lead, WrapLogStore: cfg.WrapLogStore, Now: cfg.Now, Logger: cfg.Logger, Metrics: registry,
	})
	if err != nil {
		return nil, errors.Join(err, transport.Close())
	}
	m.backend.node = m.node
	m.backend.health = &health{ask: m.node.AskRaft, loops: m.loops, fail: m.node.Fail, log: cfg.Logger}
	m.server = api.NewServer(api.New(api.Config{
		Backend: m.backend, Logger: cfg.Logger, ForwardFollowers: cfg.ForwardFromFollowers, QueueWhenFull: cfg.QueueWhenFull,
		SelfURL: cfg.APIAdvertise, Names: cfg.names(), Registry: registry, Late: m.node.Late, Transport: httpClient.Transport,
	}))
	m.server.ErrorLog = slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug)
	return m, nil
}

// run serves the API around the node's life, so that clients are redirected
// while leadership is handed away.
func (m *master) run(ctx context.Context, apiListener net.Listener, ready func(string)) error {
	served := make(chan error, 1)
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	go func() {
		err := m.server.Serve(api.Pace(apiListener))
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("serve the API on %s: %w", m.cfg.APIListen, err)
			fail()
		}
		served <- err
	}()
	if ready != nil {
		ready(m.cfg.APIAdvertise)
	}
	var looking sync.WaitGroup
	looks, endLooks := context.WithCancel(ctx)
	looking.Go(func() { m.backend.health.run(looks) })
	err := m.node.Run(ctx)
	endLooks()
	looking.Wait()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if m.server.Shutdown(stop) != nil {
		m.server.Close() //nolint:errcheck // nothing is left to do about it
	}
	m.sender.Close()
	m.peers.CloseIdleConnections()
	return errors.Join(err, <-served)
}

// replicated is the node's log, as a dispatcher uses it.
type replicated struct{ *cluster.Node }

// Open returns the state, and the log from there on.
func (r replicated) Open() (*fsm.View, dispatch.Stream) {
	view, w := r.NewWriter()
	return view, stream{w}
}

type stream struct{ *commit.Writer }

// Committed returns what has become of entries.
func (s stream) Committed() ([]dispatch.Entry, bool) {
	entries, overflowed := s.Writer.Committed()
	out := make([]dispatch.Entry, len(entries))
	for i, e := range entries {
		out[i] = dispatch.Entry(e)
	}
	return out, overflowed
}
