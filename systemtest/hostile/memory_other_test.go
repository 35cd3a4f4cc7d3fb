//go:build !linux

package hostile

import (
	"syscall"
	"testing"
)

func attributes() *syscall.SysProcAttr { return nil }

// memory is not measured here.
type memory struct{ resident, peak uint64 }

func memoryOf(int) (memory, bool) { return memory{}, false }

type watch struct{}

func watchChildren(t *testing.T, _ *process) *watch {
	t.Helper()
	return &watch{}
}

func (*watch) peak() uint64 { return 0 }
