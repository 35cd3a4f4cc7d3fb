package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
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
)

// stream is Raft's stream layer. It keeps its connections: the transport
// forgets them on Close, and their goroutines would stay.
type stream struct {
	net.Listener
	advertise address
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	rest      time.Duration // how long the next part of a message may take
	older     *older        // tells of masters that greet nobody
	callers   *callers      // who has connections to this master

	self atomic.Pointer[introduction] // whose stream it is; nil until the node is open

	mu     sync.Mutex
	conns  map[net.Conn]struct{}            // under mu
	dials  map[*context.CancelFunc]struct{} // under way, under mu
	closed bool                             // under mu
}

// Addr returns the advertised address.
func (s *stream) Addr() net.Addr { return s.advertise }

// Dial opens a connection to another master, as named has it.
func (s *stream) Dial(to raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, end := s.dialing(timeout)
	defer end()
	id, address := splitNamed(to)
	if self := s.self.Load(); self != nil {
		if other := self.elsewhere(id, address); other != "" {
			return s.callEither(ctx, id, address, other)
		}
	}
	conn, _, err := s.call(ctx, id, address, false)
	return conn, err
}

// callEither calls a master that is at one of two addresses. An address that nobody
// has any more may not even refuse, so it calls both at once.
func (s *stream) callEither(ctx context.Context, id string, addresses ...string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		conn net.Conn
		err  error
	}
	answers := make(chan answer)
	for _, address := range addresses {
		go func() {
			conn, _, err := s.call(ctx, id, address, false)
			answers <- answer{conn, err}
		}()
	}
	var first net.Conn
	var failed []error
	for range addresses {
		a := <-answers
		switch {
		case a.err != nil:
			failed = append(failed, a.err)
		case first == nil:
			first = a.conn
			cancel()
		default:
			_ = a.conn.Close() // one is enough
		}
	}
	if first != nil {
		return first, nil
	}
	return nil, errors.Join(failed...)
}

// call dials a master and greets it, until ctx ends. It returns the welcome, too, also
// that of a master which refuses.
func (s *stream) call(ctx context.Context, id, address string, look bool) (net.Conn, welcome, error) {
	self := s.self.Load()
	if self == nil {
		return nil, welcome{}, errors.New("this master is not open yet")
	}
	dialled, err := s.dial(ctx, "tcp", address)
	if err != nil {
		return nil, welcome{}, fmt.Errorf("dial master %s at %s: %w", id, address, err)
	}
	conn, err := s.keep(dialled)
	if err != nil {
		return nil, welcome{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	w, err := greet(conn, greeting{Cluster: self.cluster(), From: self.id, To: id, Look: look})
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	s.older.answered(address, err)
	if err != nil {
		return nil, w, fmt.Errorf("call master %s at %s: %w", id, address, errors.Join(err, conn.Close()))
	}
	return conn, w, nil
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
		return &quietConn{Conn: kept, stream: s}, nil
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
// and writes the answer before the next. Before the first comes the greeting.
type quietConn struct {
	net.Conn
	stream *stream
	caller string // who calls, once it was greeted and may go on
	begun  bool   // a message has begun, and is not answered
	ending sync.Once
}

func (c *quietConn) Read(p []byte) (int, error) {
	if c.caller == "" {
		if err := c.receive(); err != nil {
			return 0, errors.Join(err, c.Close())
		}
	}
	if c.begun {
		if err := c.SetReadDeadline(time.Now().Add(c.stream.rest)); err != nil {
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

// receive answers the greeting. It returns why nothing more is read.
func (c *quietConn) receive() error {
	g, err := receive(c.Conn, c.stream.self.Load())
	switch {
	case err != nil:
		c.stream.older.called(c.RemoteAddr().String(), err)
		return err
	case g.Look:
		return io.EOF // the caller hangs up
	}
	c.caller = g.From
	c.stream.callers.came(g.From)
	return nil
}

func (c *quietConn) Write(p []byte) (int, error) {
	c.begun = false
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *quietConn) Close() error {
	c.ending.Do(func() {
		if c.caller != "" {
			c.stream.callers.went(c.caller)
		}
	})
	return c.Conn.Close()
}
