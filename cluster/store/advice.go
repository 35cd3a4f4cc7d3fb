package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// Advised adds what to do about an error of the operating system.
func Advised(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: run this master as the user that owns it", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: make the disk writable; a system often makes one read-only that has errors, so look into its log first", err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: make space on its disk, and start this master again", err)
	default:
		return err
	}
}
