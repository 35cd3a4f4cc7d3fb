package simnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"muster/systemtest/simnet"
)

// TestConnsAreConns runs the standard library's own tests of net.Conn.
func TestConnsAreConns(t *testing.T) {
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		n := simnet.New()
		a, b := n.Start("a"), n.Start("b")
		stop = func() { a.Crash(); b.Crash() }
		l, err := a.Listen(t.Context(), "a:1")
		if err != nil {
			return nil, nil, stop, err
		}
		accepted := make(chan net.Conn, 1)
		go func() {
			c, e := l.Accept()
			if e == nil {
				accepted <- c
			}
		}()
		c1, err = b.Dial(t.Context(), "tcp", "a:1")
		if err != nil {
			return nil, nil, stop, err
		}
		return c1, <-accepted, stop, nil
	})
}

// linked are two processes with a connection from a to b.
type linked struct {
	net  *simnet.Network
	a, b *simnet.Process
	at   net.Conn // a's end
	bt   net.Conn // b's end
}

// link runs a test in fake time, on two processes.
func link(t *testing.T, do func(t *testing.T, l linked)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New()
		l := linked{net: n, a: n.Start("a"), b: n.Start("b")}
		listener, err := l.b.Listen(t.Context(), "b:1")
		if err != nil {
			t.Fatal(err)
		}
		accepted := make(chan net.Conn, 1)
		go func() {
			c, _ := listener.Accept()
			accepted <- c
		}()
		if l.at, err = l.a.Dial(t.Context(), "tcp", "b:1"); err != nil {
			t.Fatal(err)
		}
		l.bt = <-accepted
		do(t, l)
		l.a.Crash()
		l.b.Crash()
	})
}

// reads takes what comes within a second, once.
func reads(t *testing.T, c net.Conn) (string, error) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	return string(buf[:n]), err
}

func writes(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsBlockedArrivesLate(t *testing.T) {
	link(t, func(t *testing.T, l linked) {
		t.Helper()
		l.net.Block("a", "b")
		writes(t, l.at, "late")
		if got, err := reads(t, l.bt); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q, %v passed", got, err)
		}
		writes(t, l.bt, "back") // the other direction is open
		if got, err := reads(t, l.at); got != "back" {
			t.Errorf("%q, %v", got, err)
		}
		l.a.Crash() // what it wrote is under way
		l.net.Pass("a", "b")
		if got, err := reads(t, l.bt); got != "late" {
			t.Errorf("%q, %v", got, err)
		}
		if _, err := reads(t, l.bt); !errors.Is(err, io.EOF) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestOnlyThePortIsBlocked(t *testing.T) {
	link(t, func(t *testing.T, l linked) {
		t.Helper()
		l.net.Block("a", "b", "2")
		writes(t, l.at, "open")
		if got, err := reads(t, l.bt); got != "open" {
			t.Errorf("%q, %v", got, err)
		}
		l.net.Block("a", "b", "1")
		writes(t, l.at, "x")
		if got, err := reads(t, l.bt); err == nil {
			t.Errorf("%q passed", got)
		}
	})
}

func TestACrashRefusesAndReset(t *testing.T) {
	link(t, func(t *testing.T, l linked) {
		t.Helper()
		l.b.Crash()
		if _, err := l.at.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to the dead: %v", err)
		}
		if _, err := l.a.Dial(t.Context(), "tcp", "b:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial to the dead: %v", err)
		}
		if _, err := l.b.Dial(t.Context(), "tcp", "b:1"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dial by the dead: %v", err)
		}
		if _, err := l.net.Start("b").Listen(t.Context(), "b:1"); err != nil {
			t.Errorf("the next process: %v", err)
		}
	})
}

func TestWhoVanishesIsSilent(t *testing.T) {
	link(t, func(t *testing.T, l linked) {
		t.Helper()
		writes(t, l.bt, "lost on its way")
		l.b.Vanish()
		writes(t, l.at, "into the void")
		if got, err := reads(t, l.at); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q, %v", got, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.a.Dial(ctx, "tcp", "b:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial: %v", err)
		}
		if _, err := l.net.Start("b").Listen(t.Context(), "b:1"); err != nil {
			t.Errorf("the next process: %v", err)
		}
	})
}

func TestWhatIsRejectedIsRefusedAndReset(t *testing.T) {
	link(t, func(t *testing.T, l linked) {
		t.Helper()
		l.net.Reject("a", "b", "1")
		for name, c := range map[string]net.Conn{"here": l.at, "there": l.bt} {
			if got, err := reads(t, c); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: %q, %v passed", name, got, err)
			}
		}
		if _, err := l.a.Dial(t.Context(), "tcp", "b:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
		listener, err := l.b.Listen(t.Context(), "b:2")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = listener.Accept() }()
		if _, err := l.a.Dial(t.Context(), "tcp", "b:2"); err != nil {
			t.Errorf("dial another port: %v", err)
		}
	})
}

// Who does not accept is not taken for dead.
func TestAFullBacklogIsNoRefusal(t *testing.T) {
	link(t, func(t *testing.T, l linked) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.a.Dial(ctx, "tcp", "b:1"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v", err)
		}
	})
}

func TestADialWaitsForItsDirection(t *testing.T) {
	link(t, func(t *testing.T, l linked) {
		t.Helper()
		for _, d := range [][2]string{{"a", "b"}, {"b", "a"}} {
			l.net.Block(d[0], d[1])
			began := time.Now()
			time.AfterFunc(time.Minute, func() { l.net.PassAll() })
			listener, err := l.b.Listen(t.Context(), "b:9")
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = listener.Accept() }()
			if _, err := l.a.Dial(t.Context(), "tcp", "b:9"); err != nil || time.Since(began) != time.Minute {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			listener.Close()
		}
	})
}

func TestAFullWindowHoldsTheWriter(t *testing.T) {
	link(t, func(t *testing.T, l linked) {
		t.Helper()
		l.net.Block("a", "b")
		if err := l.at.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := l.at.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 1<<20 {
			t.Errorf("wrote %d, %v", n, err)
		}
	})
}
