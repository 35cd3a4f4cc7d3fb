package client

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"muster/api/wire"
	"muster/task"
)

// Why a call ended without an answer to it.
var (
	// ErrUnreachable: no master could be reached.
	ErrUnreachable = errors.New("no master could be reached")
	// ErrNoLeader: a master answered, but there was no leader.
	ErrNoLeader = errors.New("there is no leader")
	// ErrSlave: the address is a slave's. It is under an Error with CodeNotFound.
	ErrSlave = errors.New("a slave answers there")
	// ErrRaftPort: the address is that of a master's Raft port. It is under an Error
	// with CodeNotFound, whose message says where the API is.
	ErrRaftPort = errors.New("a master's Raft port is there")
	// ErrCut: an export ended without its last line.
	ErrCut = errors.New("the export was cut short")
	// ErrTooLarge: an answer is larger than this client reads.
	ErrTooLarge = errors.New("too large an answer")
)

// Error is a refusal by a master, or says that a write's fate is unknown. It
// unwraps to a *task.Error with the same code.
type Error struct {
	Status     int // HTTP's; 0 when no answer came
	Code       Code
	Message    string        // a sentence
	Slots      int           // with CodeFullCapacity
	Busy       int           // with CodeFullCapacity
	Task       uint64        // the task in question, or 0
	Asked      []Asked       // which slaves were asked for the task, if SubmitOptions.Explain was set
	RetryAfter time.Duration // when a repeat makes sense; 0 for unknown
	Address    string        // of the master that answered, or should have
	Cluster    string        // that this master belongs to; empty if it did not say

	cause error // why no answer came
}

// Error returns the message, for people; it starts with the code.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.cause != nil {
		s += " (" + e.cause.Error() + ")"
	}
	return s
}

// Unwrap returns the refusal in the vocabulary's form, and the cause, if any.
func (e *Error) Unwrap() []error {
	refusal := &task.Error{Code: e.Code, Message: e.Message, Task: task.ID(e.Task)}
	if e.Code == task.CodeFullCapacity {
		refusal.Capacity = &task.Capacity{Slots: e.Slots, Busy: e.Busy}
	}
	if e.cause == nil {
		return []error{refusal}
	}
	return []error{refusal, e.cause}
}

// CodeOf returns the code of the refusal in err, or "".
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// refused reads an error of the API.
func refused(address string, status int, header http.Header, w wire.Error) *Error {
	e := &Error{Status: status, Code: w.Code, Message: w.Error, Task: w.Task, Asked: w.Asked, Address: address, Cluster: header.Get(headerCluster)}
	if w.Slots != nil {
		e.Slots = *w.Slots
	}
	if w.Busy != nil {
		e.Busy = *w.Busy
	}
	if s, err := strconv.Atoi(header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// unknown says that a write may have been done.
func unknown(address string, cause error) *Error {
	return &Error{
		Code: task.CodeOutcomeUnknown, Address: address, cause: cause,
		Message: "no master answered for this call, and it may have been done",
	}
}

// silence is a request without an answer of the API's.
type silence struct {
	address string
	cause   error
	sent    bool // the master may have got it
}

func (s *silence) Error() string {
	return strings.TrimPrefix(s.address, "http://") + ": " + s.cause.Error()
}

func (s *silence) Unwrap() error { return s.cause }
