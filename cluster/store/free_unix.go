//go:build !windows

package store

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// FreeDisk asks the operating system for the bytes that are free for dir.
func FreeDisk(dir string) (uint64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	return uint64(fs.Bavail) * uint64(fs.Bsize), nil //nolint:unconvert // the types differ between systems
}
