package ports

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Each process has a range of its own, and listens on the first port of it as long
// as it lives: that is how others see that it is taken.
const (
	lowest  = 10_000
	highest = 20_000
	perTest = 250 // ports of one test process
)

// own is this process's range.
var own = struct { //nolint:gochecknoglobals // the range belongs to the process
	sync.Mutex

	guard net.Listener // under the mutex; nil: there is no range yet
	first int
	given int
}{}

// Free returns an address on a host of loopback that nobody listens on.
func Free(t testing.TB, host string) string {
	t.Helper()
	own.Lock()
	defer own.Unlock()
	if own.guard == nil {
		if err := take(); err != nil {
			t.Fatal(err)
		}
	}
	for range perTest {
		own.given++
		address := net.JoinHostPort(host, strconv.Itoa(own.first+1+own.given%(perTest-1)))
		if l, err := net.Listen("tcp", address); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return address
		}
	}
	t.Fatalf("no port of %s from %d on is free", host, own.first)
	return ""
}

// take finds a range that no other process has. The caller holds the mutex.
func take() error {
	var last error
	for first := lowest; first < highest; first += perTest {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(first)))
		if err == nil {
			own.guard, own.first = l, first
			return nil
		}
		last = err
	}
	return errors.Join(fmt.Errorf("no range of ports between %d and %d is free", lowest, highest), last)
}
