package simnet

import (
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// window bounds the bytes that a direction of a connection holds; a writer waits
// when it is full.
const window = 256 << 10

// conn is one end of a connection.
type conn struct {
	process       *Process
	local, remote addr
	in, out       *flow
	read, write   deadline
	once          sync.Once
	closed        chan struct{}
}

// pair makes the two ends of a connection from a process to a listener.
func pair(from *Process, to *listener, port string) (dialer, acceptor *conn) {
	host := to.process.host
	there := newFlow(from.net, direction{from.host, host}, port)
	back := newFlow(from.net, direction{host, from.host}, port)
	here := addr(net.JoinHostPort(from.host, strconv.Itoa(32768+rand.IntN(28000)))) //nolint:gosec // an ephemeral port; nobody looks at it
	dialer = &conn{process: from, local: here, remote: to.address, in: back, out: there, closed: make(chan struct{})}
	acceptor = &conn{process: to.process, local: to.address, remote: here, in: there, out: back, closed: make(chan struct{})}
	return dialer, acceptor
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	c.read.set(t)
	c.write.set(t)
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error  { c.read.set(t); return nil }
func (c *conn) SetWriteDeadline(t time.Time) error { c.write.set(t); return nil }

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p, c.closed, c.read.expired())
	return n, c.wrap("read", err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p, c.closed, c.write.expired())
	return n, c.wrap("write", err)
}

func (c *conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // it is the flow's own
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: c.remote, Err: err}
}

// Close ends both directions: what was written still arrives; what the other
// writes from now on is refused.
func (c *conn) Close() error {
	c.finish(func() {
		c.out.change(func(f *flow) { f.ended = true })
		c.in.change(func(f *flow) { f.refused, f.chunks = true, nil })
	})
	return nil
}

// vanish ends this end without a word to the other.
func (c *conn) vanish() {
	c.finish(func() {
		c.out.change(func(f *flow) { f.lost, f.chunks = true, nil })
		c.in.change(func(f *flow) { f.lost, f.chunks = true, nil })
	})
}

func (c *conn) finish(how func()) {
	c.once.Do(func() {
		close(c.closed)
		how()
		c.read.set(time.Time{})
		c.write.set(time.Time{})
		c.process.forget(c)
	})
}

// flow is one direction of a connection.
type flow struct {
	net  *Network
	dir  direction
	port string

	mu      sync.Mutex
	chunks  []chunk
	size    int           // bytes in chunks
	ended   bool          // the writer closed: EOF behind the chunks
	refused bool          // the reader closed: writes fail
	lost    bool          // one end vanished: nothing arrives, writes seem to succeed until the window is full
	changed chan struct{} // closed and replaced at every change
}

type chunk struct {
	data []byte
	at   time.Time // of its arrival
}

func newFlow(n *Network, d direction, port string) *flow {
	return &flow{net: n, dir: d, port: port, changed: make(chan struct{})}
}

func (f *flow) change(do func(*flow)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do(f)
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *flow) write(p []byte, closed, expired <-chan struct{}) (written int, err error) {
	for {
		rejected := f.net.rejects(f.dir, f.port)
		f.mu.Lock()
		changed := f.changed
		switch {
		case f.refused || rejected:
			err = syscall.ECONNRESET
		case isClosed(closed):
			err = net.ErrClosed
		case isClosed(expired):
			err = timeoutError{}
		case len(p) > 0 && f.size < window:
			n := min(len(p), window-f.size)
			f.chunks = append(f.chunks, chunk{append([]byte(nil), p[:n]...), time.Now().Add(Latency)})
			f.size += n
			written += n
			p = p[n:]
			close(f.changed)
			f.changed = make(chan struct{})
		}
		f.mu.Unlock()
		if err != nil || len(p) == 0 {
			return written, err
		}
		select {
		case <-changed:
		case <-closed:
		case <-expired:
		}
	}
}

func (f *flow) read(p []byte, closed, expired <-chan struct{}) (int, error) {
	for {
		open, turned := f.net.passes(f.dir, f.port)
		rejected := f.net.rejects(f.dir, f.port)
		f.mu.Lock()
		changed := f.changed
		var late time.Duration
		switch {
		case isClosed(closed):
			f.mu.Unlock()
			return 0, net.ErrClosed
		case isClosed(expired):
			f.mu.Unlock()
			return 0, timeoutError{}
		case rejected:
			f.mu.Unlock()
			return 0, syscall.ECONNRESET
		case !open || f.lost:
		case len(f.chunks) > 0:
			if late = time.Until(f.chunks[0].at); late <= 0 {
				n := f.take(p)
				f.mu.Unlock()
				return n, nil
			}
		case f.ended:
			f.mu.Unlock()
			return 0, io.EOF
		}
		f.mu.Unlock()
		f.await(late, changed, turned, closed, expired)
	}
}

// take moves the first chunk's bytes to p. The caller holds mu.
func (f *flow) take(p []byte) int {
	first := &f.chunks[0]
	n := copy(p, first.data)
	if first.data = first.data[n:]; len(first.data) == 0 {
		f.chunks = f.chunks[1:]
	}
	f.size -= n
	close(f.changed)
	f.changed = make(chan struct{})
	return n
}

// await waits until something may be different; late, if not 0, is when the first
// chunk arrives.
func (f *flow) await(late time.Duration, changed, turned, closed, expired <-chan struct{}) {
	var arrival <-chan time.Time
	if late > 0 {
		timer := time.NewTimer(late)
		defer timer.Stop()
		arrival = timer.C
	}
	select {
	case <-arrival:
	case <-changed:
	case <-turned:
	case <-closed:
	case <-expired:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
