package link

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
)

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// slaveURL is the key of a context's value: the slave that a connection is made for.
type slaveURL struct{}

// watched returns a dialer whose connections tell when the other side ends them.
// Nobody has to wait for a request to fail: net/http reads from a connection that it
// keeps, so that a process that dies is noticed by its kernel's word.
func watched(dial dialer, broken func(url string)) dialer {
	if broken == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		url, _ := ctx.Value(slaveURL{}).(string)
		return &watchedConn{Conn: c, broken: func() { broken(url) }}, nil
	}
}

// watchedConn calls broken once, if the other side ends it first.
type watchedConn struct {
	net.Conn

	broken func()
	over   atomic.Bool // closed by this side, or told
}

// Read tells of an end that it meets.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !c.over.Swap(true) {
		c.broken()
	}
	return n, err //nolint:wrapcheck // a Conn's errors are
}

// Close ends the connection from this side.
func (c *watchedConn) Close() error {
	c.over.Store(true)
	return c.Conn.Close() //nolint:wrapcheck // a Conn's errors are
}

// isRefused tells whether a new connection was refused: by a machine that answers
// for its port that nothing listens there, or by something before it. A time-out, a
// way that there is none, or a port of this machine's own that could not be had
// say nothing of the slave.
func isRefused(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" && errors.Is(op.Err, errConnectionRefused)
}
