package story

import (
	"os"
	"syscall"
	"testing"
)

// memory is a directory of files in memory that Linux has.
const memory = "/dev/shm"

// enough is more than the masters of any story write.
const enough = 256 << 20

// directory returns a new directory for a master: in memory, if there is enough of
// it. A story's machines do not lose their power, and its time stands still while a
// file is synced, so a disk adds nothing but the time that it takes.
func directory(t *testing.T) string {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < enough {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(memory, "muster-story-") //nolint:usetesting // t.TempDir is on the disk
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
