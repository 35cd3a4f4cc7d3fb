//go:build !linux

package tmpfs

import "testing"

// Directory returns a new directory, which is gone when the test ends.
func Directory(t *testing.T) string {
	t.Helper()
	return t.TempDir()
}
