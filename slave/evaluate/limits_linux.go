package evaluate

import "golang.org/x/sys/unix"

// limitMemory bounds this process's data. RLIMIT_DATA counts private writable
// memory, so the address space that Go's runtime reserves without using it does
// not count, as it would for RLIMIT_AS. No core file is written when it is hit.
func limitMemory(bytes uint64) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: bytes, Max: bytes})
}
