package api

import (
	"net"
	"time"
)

// New connections are taken at no more than four thousand a second. All slaves and
// clients of a leader that died come to the next one at the same instant; if it
// took them all at once, Raft would wait behind them, and the leader would be the
// next that is lost. Those that wait are the kernel's, and cost nothing.
const (
	acceptStep = 10 * time.Millisecond
	acceptMost = 40 // in one step
)

// Pace returns a listener that hands out connections at a bounded rate.
func Pace(l net.Listener) net.Listener { return &pacedListener{Listener: l} }

// pacedListener is for one goroutine that accepts, as http.Server's is.
type pacedListener struct {
	net.Listener

	taken    int // in this step
	nextStep time.Time
}

// Accept waits for the next step if this one has had its share, and for the next
// connection.
func (l *pacedListener) Accept() (net.Conn, error) {
	if l.taken == acceptMost {
		time.Sleep(time.Until(l.nextStep)) // bounded by one step
	}
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if now := time.Now(); !now.Before(l.nextStep) {
		l.taken, l.nextStep = 0, now.Add(acceptStep)
	}
	l.taken++
	return c, nil
}
