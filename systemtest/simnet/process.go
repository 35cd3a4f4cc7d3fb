package simnet

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// Process is one run of a program on a host: after its end, it reaches nobody,
// also when the host has another.
type Process struct {
	net  *Network
	host string

	mu        sync.Mutex
	ended     bool                   // under mu
	listeners map[*listener]struct{} // under mu
	conns     map[*conn]struct{}     // under mu
}

// Start returns a process on a host.
func (n *Network) Start(host string) *Process {
	return &Process{net: n, host: host, listeners: map[*listener]struct{}{}, conns: map[*conn]struct{}{}}
}

// Crash ends the process as SIGKILL does: what it had written still arrives, its
// connections end, and its ports refuse.
func (p *Process) Crash() { p.end(func(c *conn) { c.Close() }) } //nolint:errcheck // never fails

// Vanish ends the process as a pulled plug does: nothing that it had written
// arrives any more, and its peers hear nothing, not even an end. Dials to it
// wait, until another process listens there.
func (p *Process) Vanish() {
	p.mu.Lock()
	for l := range p.listeners {
		l.vanish()
	}
	p.mu.Unlock()
	p.end((*conn).vanish)
}

func (p *Process) end(finish func(*conn)) {
	p.mu.Lock()
	p.ended = true
	listeners, conns := p.listeners, p.conns
	p.listeners, p.conns = map[*listener]struct{}{}, map[*conn]struct{}{}
	p.mu.Unlock()
	for l := range listeners {
		l.Close() //nolint:errcheck // never fails
	}
	for c := range conns {
		finish(c)
	}
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.net.tell() // its own dials that wait end
}

// Listen listens on host:port.
func (p *Process) Listen(_ context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if host != p.host {
		return nil, fmt.Errorf("listen on %s at host %s: %w", address, p.host, syscall.EADDRNOTAVAIL)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil, net.ErrClosed
	}
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	if old := p.net.listeners[address]; old != nil && !old.vanished {
		return nil, fmt.Errorf("listen on %s: %w", address, syscall.EADDRINUSE)
	}
	l := &listener{process: p, address: addr(address), port: port, arrivals: make(chan *conn), closed: make(chan struct{})}
	p.net.listeners[address] = l
	p.listeners[l] = struct{}{}
	p.net.tell() // for dials that wait
	return l, nil
}

// Dial connects to host:port; the network's name is not looked at.
func (p *Process) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: addr(address), Err: err}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fail(err)
	}
	there, back := direction{p.host, host}, direction{host, p.host}
	for {
		p.net.mu.Lock()
		l, changed := p.net.listeners[address], p.net.changed
		p.net.mu.Unlock()
		open, _ := p.net.passes(there, port)
		answers, _ := p.net.passes(back, port)
		switch {
		case p.over():
			return fail(net.ErrClosed)
		case p.net.rejects(there, port) || open && answers && l == nil:
			return fail(syscall.ECONNREFUSED)
		case open && answers && !l.vanished:
			mine, theirs := pair(p, l, port)
			if !p.keep(mine) {
				return fail(net.ErrClosed)
			}
			if !l.take(ctx, theirs) {
				mine.Close()          //nolint:errcheck // never fails
				if ctx.Err() != nil { // it lives, and does not accept
					return fail(context.Cause(ctx))
				}
				return fail(syscall.ECONNREFUSED)
			}
			return mine, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fail(context.Cause(ctx))
		}
	}
}

func (p *Process) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func (p *Process) keep(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Process) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// addr is host:port.
type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }

type listener struct {
	process  *Process
	address  addr
	port     string
	arrivals chan *conn
	once     sync.Once
	closed   chan struct{}
	vanished bool // under the network's mu
}

// take hands a new connection to Accept.
func (l *listener) take(ctx context.Context, c *conn) bool {
	if !l.process.keep(c) {
		return false
	}
	select {
	case l.arrivals <- c:
		return true
	case <-l.closed:
	case <-ctx.Done():
	}
	c.Close() //nolint:errcheck // never fails
	return false
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.arrivals:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.address, Err: net.ErrClosed}
	}
}

func (l *listener) Addr() net.Addr { return l.address }

// Close refuses later dials. A listener that vanished stays known, so that dials
// to it wait.
func (l *listener) Close() error {
	l.once.Do(func() {
		n := l.process.net
		n.mu.Lock()
		if n.listeners[string(l.address)] == l && !l.vanished {
			delete(n.listeners, string(l.address))
		}
		n.mu.Unlock()
		close(l.closed)
	})
	return nil
}

func (l *listener) vanish() {
	l.process.net.mu.Lock()
	defer l.process.net.mu.Unlock()
	l.vanished = true
}
