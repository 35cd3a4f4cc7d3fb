package api

import (
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// crowdedListener always has a connection.
type crowdedListener struct{ net.Listener }

func (crowdedListener) Accept() (net.Conn, error) { return &net.TCPConn{}, nil }

// TestConnectionsAreTakenAtABoundedRate: ten thousand that come together are taken
// over two and a half seconds, and a few do not wait at all.
func TestConnectionsAreTakenAtABoundedRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := Pace(crowdedListener{})
		take := func(n int) time.Duration {
			began := time.Now()
			for range n {
				if _, err := l.Accept(); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(began)
		}
		if took := take(10_000); took != 2490*time.Millisecond {
			t.Errorf("10,000 connections were taken in %v, want 250 steps of 10 ms but for the last", took)
		}
		time.Sleep(time.Second)
		if took := take(20); took != 0 {
			t.Errorf("20 connections were taken in %v, want at once", took)
		}
	})
}

// TestAPacedListenerEndsWithItsListener: what the listener says is passed on.
func TestAPacedListenerEndsWithItsListener(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	paced := Pace(l)
	if err := paced.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := paced.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept of a closed listener said %v", err)
	}
}
