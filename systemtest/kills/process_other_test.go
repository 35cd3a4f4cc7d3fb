//go:build !linux

package kills_test

import "os/exec"

// dieWithParent does nothing: only Linux can have children die with a parent that
// was killed.
func dieWithParent(*exec.Cmd) {}
