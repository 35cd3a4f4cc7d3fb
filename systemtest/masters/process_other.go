//go:build !linux

package masters

import (
	"errors"
	"os/exec"
	"time"
)

func dieWithParent(*exec.Cmd) {}

// RaiseFileLimit needs Linux.
func RaiseFileLimit() error { return nil }

// ProcessorTime needs Linux.
func ProcessorTime(int) time.Duration { return 0 }

// ResidentMemory needs Linux.
func ResidentMemory(int) (int64, error) {
	return 0, errors.New("only Linux tells what a process has in memory")
}
