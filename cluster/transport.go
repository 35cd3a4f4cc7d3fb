package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// firstByteWithin is how long a connection to the Raft port may stay silent
	// at its start. Raft's transport has no time-out for that: thousands of
	// half-open connections, 256 KiB of buffer each, would stay for ever. Later
	// silence is fine: masters keep idle connections to each other.
	firstByteWithin = 10 * time.Second
	// maxConnections of all masters to this one.
	maxConnections = 512
	pooledConns    = 3
)

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
	raft.WithClose
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
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: &stream{
			Listener: cfg.Listener, advertise: address(cfg.Advertise), dial: cfg.Dial,
			rest: rpcTimeout(cfg.Timings), conns: map[net.Conn]struct{}{}, dials: map[*context.CancelFunc]struct{}{},
		},
		MaxPool: pooledConns,
		// One at a time, that is without pipelines. When a follower refuses an
		// entry, hashicorp/raft may stop reading a pipeline's answers while it
		// waits to write into it, for ever: the follower, whose heartbeats go on,
		// gets nothing more, and a leader that was deposed can't be shut down.
		MaxRPCsInFlight: 1,
		Timeout:         rpcTimeout(cfg.Timings),
		Logger:          newRaftLogger(cfg.Logger),
	})
}

// rpcTimeout bounds one message to a master. A connection that a partition cut
// is only replaced after it, so it is short; a snapshot gets more by its size.
func rpcTimeout(t Timings) time.Duration { return max(2*time.Second, 8*t.Election) }

// address is an advertised address. It is kept as it was written, so that a
// host name stays a host name.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// stream is Raft's stream layer. It keeps its connections: the transport
// forgets them on Close, and their goroutines would stay.
type stream struct {
	net.Listener
	advertise address
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	rest      time.Duration // how long the next part of a message may take

	mu     sync.Mutex
	conns  map[net.Conn]struct{}            // under mu
	dials  map[*context.CancelFunc]struct{} // under way, under mu
	closed bool                             // under mu
}

// Addr returns the advertised address.
func (s *stream) Addr() net.Addr { return s.advertise }

// Dial opens a connection to another master.
func (s *stream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, end := s.dialing(timeout)
	defer end()
	conn, err := s.dial(ctx, "tcp", string(to))
	if err != nil {
		return nil, fmt.Errorf("dial master at %s: %w", to, err)
	}
	return s.keep(conn)
}

// dialing returns a context for a dial, which ends when the stream is closed:
// Raft can't be shut down while one of its goroutines dials.
func (s *stream) dialing(timeout time.Duration) (ctx context.Context, end func()) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		cancel()
	}
	s.dials[&cancel] = struct{}{}
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.dials, &cancel)
	}
}

// Accept waits for a connection of another master.
func (s *stream) Accept() (net.Conn, error) {
	for {
		conn, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		kept, err := s.keep(conn)
		if err != nil {
			continue
		}
		if err := kept.SetReadDeadline(time.Now().Add(firstByteWithin)); err != nil {
			_ = kept.Close() // the connection is broken already
			continue
		}
		return &quietConn{Conn: kept, rest: s.rest}, nil
	}
}

// Close closes the listener and all connections, and ends all dials.
func (s *stream) Close() error {
	s.mu.Lock()
	s.closed = true
	for cancel := range s.dials {
		(*cancel)()
	}
	conns := s.conns
	s.conns = map[net.Conn]struct{}{}
	s.mu.Unlock()
	errs := []error{s.Listener.Close()}
	for c := range conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

var errTooMany = errors.New("too many connections, or the transport is closed")

func (s *stream) keep(conn net.Conn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= maxConnections {
		return nil, errors.Join(errTooMany, conn.Close())
	}
	s.conns[conn] = struct{}{}
	return &keptConn{Conn: conn, forget: func() { s.forget(conn) }}, nil
}

func (s *stream) forget(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// keptConn tells the stream when it is closed.
type keptConn struct {
	net.Conn
	forget func()
}

func (c *keptConn) Close() error {
	c.forget()
	return c.Conn.Close()
}

// quietConn lets its other end be silent between messages, but not within one:
// Raft reads a snapshot in its main loop, and a leader that vanished in the middle
// of sending it would keep this master from electing another. The one goroutine
// that serves the connection reads a message, or hands it to the one that does,
// and writes the answer before the next.
type quietConn struct {
	net.Conn
	rest  time.Duration // how long the next part of a message may take
	begun bool          // a message has begun, and is not answered
}

func (c *quietConn) Read(p []byte) (int, error) {
	if c.begun {
		if err := c.SetReadDeadline(time.Now().Add(c.rest)); err != nil {
			return 0, err
		}
	}
	n, err := c.Conn.Read(p)
	if err != nil && c.begun {
		_ = c.Close() // what may still come would be taken for the next message
	}
	c.begun = c.begun || n > 0
	return n, err
}

func (c *quietConn) Write(p []byte) (int, error) {
	c.begun = false
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
