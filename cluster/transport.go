package cluster

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"muster/cluster/raftlog"
)

// pooledConns is how many connections to a master are kept.
const pooledConns = 3

// TransportConfig is what NewTransport needs.
type TransportConfig struct {
	Listener  net.Listener
	Advertise string // host:port that other masters dial; default: the listener's
	// Dial opens connections to other masters. Default: net.Dialer.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Timings Timings      // default: LAN()
	Logger  *slog.Logger // default: discard
}

// Transport carries Raft's messages until it is closed.
type Transport interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose

	// hail finds out whether a master answers at an address, as a member of this
	// cluster or as one that asks to join it. A master that refuses may have said how
	// it sees its cluster, too.
	hail(ctx context.Context, id, address string) (welcome, error)
	// introduce tells whose transport it is; nothing passes before.
	introduce(introduction)
	// connections counts those that other masters have to this one.
	connections() *callers
}

// NewTransport returns a transport for Raft over a listener. Closing it closes
// the listener and every connection.
func NewTransport(cfg TransportConfig) Transport {
	set(&cfg.Timings, LAN())
	set(&cfg.Advertise, cfg.Listener.Addr().String())
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &stream{
		Listener: cfg.Listener, advertise: address(cfg.Advertise), dial: cfg.Dial,
		rest: rpcTimeout(cfg.Timings), older: &older{log: cfg.Logger, hangUps: map[string]time.Time{}}, callers: newCallers(), conns: map[net.Conn]struct{}{}, dials: map[*context.CancelFunc]struct{}{},
	}
	raftTransport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream:  s,
		MaxPool: pooledConns,
		// One at a time, that is without pipelines. When a follower refuses an
		// entry, hashicorp/raft may stop reading a pipeline's answers while it
		// waits to write into it, for ever: the follower, whose heartbeats go on,
		// gets nothing more, and a leader that was deposed can't be shut down.
		MaxRPCsInFlight: 1,
		Timeout:         rpcTimeout(cfg.Timings),
		Logger:          raftlog.New(cfg.Logger),
	})
	return &transport{NetworkTransport: raftTransport, stream: s}
}

// rpcTimeout bounds one message to a master. A connection that a partition cut
// is only replaced after it, so it is short; a snapshot gets more by its size.
func rpcTimeout(t Timings) time.Duration { return max(2*time.Second, 2*t.Silence) }

// transport is Raft's own, but that it tells the stream below whom it calls.
type transport struct {
	*raft.NetworkTransport

	stream *stream
}

// hail dials a master and greets it.
func (t *transport) hail(ctx context.Context, id, address string) (welcome, error) {
	conn, w, err := t.stream.call(ctx, id, address, true)
	if err != nil {
		return w, err
	}
	return w, conn.Close()
}

func (t *transport) connections() *callers { return t.stream.callers }

func (t *transport) introduce(i introduction) { t.stream.self.Store(&i) }

// AppendEntries sends entries, or a heartbeat.
func (t *transport) AppendEntries(id raft.ServerID, at raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return t.NetworkTransport.AppendEntries(id, named(id, at), req, resp)
}

// AppendEntriesPipeline is not supported; see NewTransport.
func (t *transport) AppendEntriesPipeline(id raft.ServerID, at raft.ServerAddress) (raft.AppendPipeline, error) {
	return t.NetworkTransport.AppendEntriesPipeline(id, named(id, at))
}

// RequestVote asks for a vote.
func (t *transport) RequestVote(id raft.ServerID, at raft.ServerAddress, req *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return t.NetworkTransport.RequestVote(id, named(id, at), req, resp)
}

// RequestPreVote asks whether a vote would be given.
func (t *transport) RequestPreVote(id raft.ServerID, at raft.ServerAddress, req *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return t.NetworkTransport.RequestPreVote(id, named(id, at), req, resp)
}

// InstallSnapshot sends a snapshot.
func (t *transport) InstallSnapshot(id raft.ServerID, at raft.ServerAddress, req *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return t.NetworkTransport.InstallSnapshot(id, named(id, at), req, resp, data)
}

// TimeoutNow hands leadership over.
func (t *transport) TimeoutNow(id raft.ServerID, at raft.ServerAddress, req *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return t.NetworkTransport.TimeoutNow(id, named(id, at), req, resp)
}

// named joins a master's id with its address: that is what Raft's transport keeps
// connections by, and what it gives to Dial.
func named(id raft.ServerID, at raft.ServerAddress) raft.ServerAddress {
	return raft.ServerAddress(id) + "@" + at
}

// splitNamed undoes named: no address has an "@" in it, an id may.
func splitNamed(to raft.ServerAddress) (id, address string) {
	i := strings.LastIndexByte(string(to), '@')
	return string(to[:max(i, 0)]), string(to[i+1:])
}

// address is an advertised address. It is kept as it was written, so that a
// host name stays a host name.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }
