package main

import (
	"errors"
	"fmt"

	"muster/api/client"
	"muster/cmd/app"
)

// The exit codes. Scripts rely on them; docs/tasks.md has which refusal ends with which.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitUnreachable = 4 // no leader, or no master that answers and is up to date
	exitTaskFailed  = 5
	exitWaitEnded   = 6
	exitCapacity    = 7 // no room at the moment; nothing was recorded
)

// exitError is an error that asks for a certain exit code.
type exitError struct {
	code int
	err  error
}

// Error returns the words for people.
func (e *exitError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *exitError) Unwrap() error { return e.err }

// usagef is an error in how the command was called.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// exitf is an error with an exit code.
func exitf(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

// exitCode is what the process ends with for err.
func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case app.Misconfigured(err), errors.Is(err, client.ErrSlave), errors.Is(err, client.ErrRaftPort):
		return exitUsage // an address that is wrong, as only who is there can tell
	case errors.Is(err, client.ErrNoLeader), errors.Is(err, client.ErrUnreachable):
		return exitUnreachable
	}
	switch client.CodeOf(err) {
	case client.CodeInvalidRequest, client.CodeBodyTooLarge, client.CodeUnknownHost:
		return exitUsage // what a flag said, as only masters can tell
	case client.CodeTaskNotFound, client.CodeTaskForgotten, client.CodeSlaveNotFound, client.CodeMasterNotFound, client.CodeNotFound:
		return exitNotFound
	case client.CodeNoLeader, client.CodeNotLeader, client.CodeShuttingDown, client.CodeStalled, client.CodeIndexNotReached,
		client.CodeNotCaughtUp, client.CodeMasterUnreachable:
		return exitUnreachable
	case client.CodeFullCapacity, client.CodeNoSlaveForKind, client.CodeQueueFull, client.CodeOverloaded, client.CodeDiskLow, client.CodeRetentionFull,
		client.CodeTooManyExports, client.CodeTooManyStreams:
		return exitCapacity
	default:
		return exitFailure
	}
}
