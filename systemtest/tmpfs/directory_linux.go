package tmpfs

import (
	"os"
	"syscall"
	"testing"
)

// place is a directory of files in memory that Linux has.
const place = "/dev/shm"

// enough is more than the masters of any test write.
const enough = 256 << 20

// Directory returns a new directory, which is gone when the test ends.
func Directory(t *testing.T) string {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(place, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < enough {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(place, "muster-test-") //nolint:usetesting // t.TempDir is on the disk
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
