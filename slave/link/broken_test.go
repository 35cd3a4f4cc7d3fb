package link_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"muster/slave/link"
	"muster/systemtest/timelimit"
	"muster/task"
)

const aWord = `{"available":true,"answer":"I am available.","free":1,"slots":1,"incarnation":"i","counter":1}`

// counted is a slave that answers with a word, and counts its connections.
func counted(t *testing.T, conns *atomic.Int32) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(aWord))
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// A process that dies is noticed by the end of the connection that is kept to it:
// nobody has to ask.
func TestTheEndOfAKeptConnectionIsTold(t *testing.T) {
	var conns atomic.Int32
	server := counted(t, &conns)
	broken := make(chan string, 10)
	s := link.NewSender(link.SenderConfig{Broken: func(url string) { broken <- url }})
	t.Cleanup(s.Close)
	if _, err := s.Available(timelimit.Context(t), server.URL, stamp(1)); err != nil {
		t.Fatal(err)
	}
	server.CloseClientConnections()
	select {
	case url := <-broken:
		if url != server.URL {
			t.Errorf("a connection to %q broke, want %q", url, server.URL)
		}
	case <-timelimit.Context(t).Done():
		t.Fatal("nothing was told")
	}
}

// What this side closes, and a connection that is not kept, are not told.
func TestWhatTheSenderClosesIsNotTold(t *testing.T) {
	var conns atomic.Int32
	server := counted(t, &conns)
	broken := make(chan string, 10)
	s := link.NewSender(link.SenderConfig{Broken: func(url string) { broken <- url }})
	for i := range uint64(2) {
		if _, err := s.Available(timelimit.Context(t), server.URL, stamp(2*i+1)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Knock(timelimit.Context(t), server.URL, stamp(2*i+2)); err != nil {
			t.Fatal(err)
		}
	}
	if n := conns.Load(); n != 3 {
		t.Errorf("%d connections, want one that is kept and one for each knock", n)
	}
	s.Close()
	server.Close() // waits until all connections are idle or closed
	if len(broken) > 0 {
		t.Errorf("the end of a connection to %s was told, which the sender had closed", <-broken)
	}
}

// closed is the URL of a port at which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "http://" + l.Addr().String()
}

// Only a refusal by who answers for the port says that nobody listens there.
func TestARefusalIsToldFromAllElse(t *testing.T) {
	s := newSender(t)
	ask := func(t *testing.T, s *link.Sender, url string) error {
		t.Helper()
		ctx, cancel := context.WithTimeout(timelimit.Context(t), 200*time.Millisecond)
		defer cancel()
		_, err := s.Knock(ctx, url, stamp(1))
		if err == nil {
			t.Fatal("it answered")
		}
		return err
	}
	t.Run("a closed port", func(t *testing.T) {
		// With a deadline of its own: on Windows the kernel tries for two seconds.
		_, err := s.Knock(timelimit.Context(t), closed(t), stamp(1))
		if !errors.Is(err, task.ErrRefused) || !errors.Is(err, task.ErrUnreached) {
			t.Errorf("%v, want a refusal", err)
		}
	})
	t.Run("a slave that accepts and hangs", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if err := ask(t, s, "http://"+l.Addr().String()); errors.Is(err, task.ErrRefused) {
			t.Errorf("%v: it listens", err)
		}
	})
	t.Run("a connection that is reset", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() { // ends with the listener
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				if tcp, ok := c.(*net.TCPConn); ok {
					_ = tcp.SetLinger(0)
				}
				_ = c.Close()
			}
		}()
		if err := ask(t, s, "http://"+l.Addr().String()); errors.Is(err, task.ErrRefused) {
			t.Errorf("%v: it listens", err)
		}
	})
	t.Run("no port of one's own to be had", func(t *testing.T) {
		elsewhere := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}} // for documentation: nobody's address
		homeless := link.NewSender(link.SenderConfig{Dial: elsewhere.DialContext})
		if err := ask(t, homeless, closed(t)); errors.Is(err, task.ErrRefused) {
			t.Errorf("%v: it was not asked", err)
		}
	})
	t.Run("a full backlog", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("other kernels answer otherwise")
		}
		if err := ask(t, s, "http://"+fullBacklog(t)); errors.Is(err, task.ErrRefused) {
			t.Errorf("%v: it listens", err)
		}
	})
}
