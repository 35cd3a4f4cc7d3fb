package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// doors are listeners on addresses of their own that share one socket: who calls
// 127.1.0.5 comes to the listener 5. That saves ten thousand descriptors.
type doors struct {
	socket    net.Listener
	listeners []net.Listener // *door
	closed    chan struct{}
}

func openDoors(n int) (*doors, error) {
	// All addresses, but of loopback alone.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var bound error
		err := raw.Control(func(fd uintptr) {
			bound = syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, "lo")
		})
		return errors.Join(err, bound)
	}}
	socket, err := config.Listen(context.Background(), "tcp4", "0.0.0.0:0")
	if err != nil {
		return nil, err
	}
	d := &doors{socket: socket, closed: make(chan struct{})}
	for range n {
		d.listeners = append(d.listeners, &door{of: d, calls: make(chan net.Conn), closed: make(chan struct{})})
	}
	return d, nil
}

// host is the address of the listener i.
func host(i int) net.IP { return net.IPv4(127, 1, byte(i>>8), byte(i)) }

func (d *doors) url(i int) string {
	tcp, _ := d.socket.Addr().(*net.TCPAddr)
	return "http://" + net.JoinHostPort(host(i).String(), strconv.Itoa(tcp.Port))
}

// serve hands connections to their listeners, until close.
func (d *doors) serve() {
	for {
		conn, err := d.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // out of descriptors, for now
		}
		to, _ := conn.LocalAddr().(*net.TCPAddr)
		ip := to.IP.To4()
		i := int(ip[2])<<8 | int(ip[3])
		if !ip.Equal(host(i)) || i >= len(d.listeners) {
			_ = conn.Close() // nobody's address
			continue
		}
		l, _ := d.listeners[i].(*door)
		select {
		case l.calls <- conn:
		case <-l.closed:
			_ = conn.Close()
		case <-d.closed:
			_ = conn.Close()
		}
	}
}

func (d *doors) close() error {
	close(d.closed)
	return d.socket.Close()
}

// door is one listener.
type door struct {
	of     *doors
	calls  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Accept waits for the next connection to this address.
func (l *door) Accept() (net.Conn, error) {
	select {
	case c := <-l.calls:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *door) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the address of the socket.
func (l *door) Addr() net.Addr { return l.of.socket.Addr() }
