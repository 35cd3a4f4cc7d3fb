package demo

import (
	"errors"
	"os"
	"os/exec"
)

// canFreeze tells whether this platform can stop a process without ending it.
const canFreeze = false

// separate does nothing here.
func separate(*exec.Cmd) {}

func killGroup(p *os.Process) error { return p.Kill() }

func freezeGroup(*os.Process, bool) error { return errors.New("a process can't be frozen on Windows") }
