//go:build !linux

package evaluate

import "syscall"

// systemBounds tells that the system enforces limitMemory. Here it can't, and the
// child watches itself.
const systemBounds = false

func limitMemory(uint64) error { return nil }

// attributes has nothing to ask of the system: a child ends when its stdin does.
func attributes() *syscall.SysProcAttr { return nil }
