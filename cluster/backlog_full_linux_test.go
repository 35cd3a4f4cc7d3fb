package cluster

import (
	"context"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// fullBacklog returns the address of a port that nobody accepts at, and whose backlog is
// full: Linux does not answer a caller then.
func fullBacklog(t *testing.T) (address string, ok bool) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	for range 8 {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		cancel()
		if err != nil {
			return address, true
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	t.Fatal("the backlog takes any number of callers")
	return "", false
}
