package cluster

import (
	"os"
	"syscall"
	"testing"
)

// directory returns a new directory for a test's masters: in memory, if there is enough of
// it. No machine loses its power here, so a disk adds nothing but the time that it takes
// to sync.
func directory(t *testing.T) string {
	t.Helper()
	const memory, enough = "/dev/shm", 256 << 20
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < enough {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "muster-cluster-") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
