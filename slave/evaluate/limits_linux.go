package evaluate

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// systemBounds tells that the system enforces limitMemory.
const systemBounds = true

// limitMemory bounds this process's data. RLIMIT_DATA counts private writable
// memory, so the address space that Go's runtime reserves without using it does
// not count, as it would for RLIMIT_AS. No core file is written when it is hit.
func limitMemory(bytes uint64) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes})
}

// attributes has the system kill a child when the slave dies. A child ends by
// itself when its stdin does, but not while it is stopped.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
