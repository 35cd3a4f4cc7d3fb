package cluster

import (
	"errors"
	"io"
	"runtime"
	"syscall"
)

// The errors of Windows, whose numbers package syscall has no names for, or others.
const (
	wsaeconnaborted syscall.Errno = 10053
	wsaeconnreset   syscall.Errno = 10054
	wsaeconnrefused syscall.Errno = 10061
)

// connectionRefused reports whether nobody listens at an address whose host is there.
func connectionRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || runtime.GOOS == "windows" && errors.Is(err, wsaeconnrefused)
}

// connectionCut reports whether the other end, or its system, ended a connection.
func connectionCut(err error) bool {
	for _, cut := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED} {
		if errors.Is(err, cut) {
			return true
		}
	}
	return runtime.GOOS == "windows" && (errors.Is(err, wsaeconnreset) || errors.Is(err, wsaeconnaborted))
}
