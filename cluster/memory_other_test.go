//go:build !linux

package cluster

import "testing"

func directory(t *testing.T) string {
	t.Helper()
	return t.TempDir()
}
