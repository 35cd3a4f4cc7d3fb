package demo

import (
	"context"
	"io"
)

// action is what a key asks for.
type action uint8

const (
	noAction action = iota
	killLeader
	killSlave
	restartDead
	freezeOrThaw
	submitTask
	toggleLoad
	quit
)

// key is one line of the legend.
type key struct {
	letter byte
	action action
	does   string
	hidden bool // the platform can't do it
}

func legend() []key {
	return []key{
		{letter: 'k', action: killLeader, does: "kill the leader"},
		{letter: 's', action: killSlave, does: "kill a slave"},
		{letter: 'f', action: freezeOrThaw, does: "freeze, thaw", hidden: !canFreeze},
		{letter: 'r', action: restartDead, does: "restart the dead"},
		{letter: 't', action: submitTask, does: "submit a task"},
		{letter: 'l', action: toggleLoad, does: "load on, off"},
		{letter: 'q', action: quit, does: "quit"},
	}
}

// In raw mode, Ctrl-C and Ctrl-D arrive as bytes.
const ctrlC, ctrlD = 3, 4

// actionOf is what a byte from a terminal asks for.
func actionOf(b byte) action {
	if b == ctrlC || b == ctrlD {
		return quit
	}
	if b >= 'A' && b <= 'Z' {
		b += 'a' - 'A'
	}
	for _, k := range legend() {
		if k.letter == b && !k.hidden {
			return k.action
		}
	}
	return noAction
}

// readKeys sends the keys that are pressed until the input or ctx ends. The end
// of input counts as a quit.
//
// A read from a terminal can't be interrupted: the goroutine that reads stays in
// its last read, which ends with the process.
func readKeys(ctx context.Context, in io.Reader, keys chan<- byte) {
	buffer := make([]byte, 64)
	for {
		n, err := in.Read(buffer)
		pressed := keysIn(buffer[:n])
		if err != nil {
			pressed = append(pressed, ctrlD)
		}
		for _, k := range pressed {
			select {
			case keys <- k:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// keysIn are the keys in what one read returned. An escape sequence (an arrow,
// a paste) is none.
func keysIn(read []byte) []byte {
	const escape = 27
	if len(read) > 0 && read[0] == escape {
		return nil
	}
	return read
}
