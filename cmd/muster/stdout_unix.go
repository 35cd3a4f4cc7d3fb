//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// closed reports whether a stream was closed when this process began. Go opens
// /dev/null in its place, to read and to write, so that what is written goes nowhere
// without a word. Who wants that says >/dev/null, which is to write alone.
func closed(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return true
	}
	var is, null unix.Stat_t
	if unix.Fstat(int(f.Fd()), &is) != nil || unix.Stat(os.DevNull, &null) != nil {
		return false
	}
	return is.Rdev == null.Rdev && is.Mode == null.Mode && flags&unix.O_ACCMODE == unix.O_RDWR
}
