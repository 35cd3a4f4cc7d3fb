//go:build !linux

package story

import "testing"

// directory returns a new directory for a master.
func directory(t *testing.T) string {
	t.Helper()
	return t.TempDir()
}
