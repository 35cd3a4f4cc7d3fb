//go:build unix && !linux

package demo

import "syscall"

// dieWithParent does nothing: only Linux can have children die with a parent
// that was killed.
func dieWithParent(*syscall.SysProcAttr) {}
