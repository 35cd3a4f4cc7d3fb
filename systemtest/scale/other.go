//go:build !linux

package main

import (
	"errors"
	"net"
	"os/exec"
	"time"
)

// doors need Linux.
type doors struct{ listeners []net.Listener }

func openDoors(int) (*doors, error) {
	return nil, errors.New("only on Linux all of 127.0.0.0/8 is this machine")
}

func (d *doors) url(int) string { return "" }
func (d *doors) serve()         {}
func (d *doors) close() error   { return nil }

func dieWithParent(*exec.Cmd)           {}
func raiseFileLimit() error             { return nil }
func processorTime(int) time.Duration   { return 0 }
func residentMemory(int) (int64, error) { return 0, nil }
