package cluster

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"

	"muster/systemtest/timelimit"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func TestTheTransportAdvertisesANameAsItWasWritten(t *testing.T) {
	ln := listen(t)
	tr := NewTransport(TransportConfig{Listener: ln, Advertise: "m1.example:7001"})
	if got := tr.LocalAddr(); got != "m1.example:7001" {
		t.Errorf("local address %q", got)
	}
	closeTransport(t, tr)
}

// as introduces a master of the cluster "c", of which nothing is known elsewhere.
func as(id string) introduction {
	return introduction{id: id, cluster: func() string { return "c" }, elsewhere: func(string, string) string { return "" }, outlook: func() outlook { return outlook{} }}
}

// TestMastersReplicateWithoutPipelines: see docs/adr/0007.
func TestMastersReplicateWithoutPipelines(t *testing.T) {
	from, to := NewTransport(TransportConfig{Listener: listen(t)}), NewTransport(TransportConfig{Listener: listen(t)})
	defer closeTransport(t, from)
	defer closeTransport(t, to)
	from.introduce(as("m1"))
	to.introduce(as("m2"))
	if _, err := from.AppendEntriesPipeline("m2", to.LocalAddr()); !errors.Is(err, raft.ErrPipelineReplicationNotSupported) {
		t.Errorf("a pipeline to another master: %v", err)
	}
}

// TestClosingTheTransportEndsItsDials: a leader that is told to stop, and reaches
// nobody, would wait for them.
func TestClosingTheTransportEndsItsDials(t *testing.T) {
	dialing := make(chan struct{})
	tr := NewTransport(TransportConfig{Listener: listen(t), Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		close(dialing)
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	tr.introduce(as("m1"))
	failed := make(chan error, 1)
	go func() {
		failed <- tr.RequestVote("m2", "m2:1", &raft.RequestVoteRequest{}, &raft.RequestVoteResponse{})
	}()
	<-dialing
	closeTransport(t, tr)
	if err := <-failed; !errors.Is(err, context.Canceled) { // not by its time-out
		t.Errorf("the dial ended with %v", err)
	}
}

func closeTransport(t *testing.T, tr Transport) {
	t.Helper()
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

// TestClosingTheTransportEndsItsConnections: Raft's transport forgets them.
func TestClosingTheTransportEndsItsConnections(t *testing.T) {
	ln := listen(t)
	tr := NewTransport(TransportConfig{Listener: ln})
	tr.introduce(as("m1"))
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := greet(conn, greeting{Cluster: "c", From: "m2", To: "m1"}); err != nil {
		t.Fatal(err)
	}
	// A message that waits for Raft proves that the connection was accepted.
	if _, err := conn.Write([]byte{3, 0x81, 0xa4, 'T', 'e', 'r', 'm', 1}); err != nil {
		t.Fatal(err)
	}
	<-tr.Consumer()
	closeTransport(t, tr)
	if err := conn.SetReadDeadline(time.Now().Add(timelimit.Usual(t))); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the connection is still open: %v", err)
	}
}

// pipeListener accepts one end of a pipe.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return address("pipe") }

func TestAConnectionThatSaysNothingIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		s := &stream{Listener: ln, advertise: "pipe", callers: newCallers(), conns: map[net.Conn]struct{}{}}
		ours, theirs := net.Pipe()
		go func() { ln.conns <- theirs }()
		silent, err := s.Accept()
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_, err = silent.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begin) != firstByteWithin {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		_ = silent.Close()
		if len(s.conns) != 0 {
			t.Error("the closed connection is kept")
		}
		_ = ours.Close()
	})
}

// TestSilenceIsFineBetweenMessagesOnly: what is left of a message has to come
// soon, and a connection without the rest of one is of no use.
func TestSilenceIsFineBetweenMessagesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		s := &stream{Listener: ln, advertise: "pipe", callers: newCallers(), rest: 2 * time.Second, conns: map[net.Conn]struct{}{}}
		ours, theirs := net.Pipe()
		go func() { ln.conns <- theirs }()
		conn, err := s.Accept()
		if err != nil {
			t.Fatal(err)
		}
		self := as("m1")
		s.self.Store(&self)
		go func() {
			_, _ = greet(ours, greeting{Cluster: "c", From: "m2", To: "m1"}) // the reads below tell
			for range 3 {                                                    // a message in three parts, its answer, and a long silence
				for range 3 {
					_, _ = ours.Write([]byte{1})
					time.Sleep(time.Second)
				}
				_, _ = ours.Read(make([]byte, 1))
				time.Sleep(time.Hour)
			}
			_, _ = ours.Write([]byte{1}) // and one of which the rest is missing
		}()
		for range 3 {
			if _, err := io.ReadFull(conn, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write([]byte{2}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var timeout net.Error
		if _, err := conn.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(begin) != s.rest {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		if _, err := conn.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() || err == nil {
			t.Errorf("the rest could still be read: %v", err)
		}
		if len(s.conns) != 0 {
			t.Error("the closed connection is kept")
		}
		_ = ours.Close()
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	s := &stream{Listener: &pipeListener{closed: make(chan struct{})}, callers: newCallers(), conns: map[net.Conn]struct{}{}}
	for range maxConnections {
		_, theirs := net.Pipe()
		if _, err := s.keep(theirs); err != nil {
			t.Fatal(err)
		}
	}
	_, theirs := net.Pipe()
	if _, err := s.keep(theirs); !errors.Is(err, errTooMany) {
		t.Errorf("one more: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.keep(theirs); !errors.Is(err, errTooMany) {
		t.Errorf("after Close: %v", err)
	}
}
