//go:build unix

package demo

import (
	"os"
	"os/exec"
	"syscall"
)

// canFreeze tells whether this platform can stop a process without ending it.
const canFreeze = true

// separate puts a child into a process group of its own: a Ctrl-C in the
// terminal is for the demo, which then ends its children in order, and a kill
// takes the child's own children along.
func separate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
}

func killGroup(p *os.Process) error { return signalGroup(p, syscall.SIGKILL) }

func freezeGroup(p *os.Process, frozen bool) error {
	if frozen {
		return signalGroup(p, syscall.SIGSTOP)
	}
	return signalGroup(p, syscall.SIGCONT)
}

func signalGroup(p *os.Process, s syscall.Signal) error {
	err := syscall.Kill(-p.Pid, s)
	if err == syscall.ESRCH {
		return os.ErrProcessDone
	}
	return err
}
