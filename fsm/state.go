package fsm

import (
	"io"

	"muster/task"
)

// State is the replicated state. Apply, Load and View belong to one goroutine;
// what View returns may be used by any.
type State struct{}

// New returns the empty state.
func New() *State { return &State{} }

// Encode returns the log entry for an envelope.
func Encode(e Envelope) ([]byte, error) { panic("not written yet") }

// Decode is the inverse of Encode. An unknown version, command number or field
// is an error: the node must stop.
func Decode(entry []byte) (Envelope, error) { panic("not written yet") }

// Apply applies one entry.
func (s *State) Apply(index, term uint64, e Envelope) []Outcome { panic("not written yet") }

// View returns the state as of the last Apply.
func (s *State) View() *View { panic("not written yet") }

// Load replaces everything by what Save wrote.
func (s *State) Load(r io.Reader) error { panic("not written yet") }

// View is an immutable picture of the state.
type View struct{}

func (v *View) Index() uint64                                 { panic("not written yet") }
func (v *View) Task(id task.ID) (task.Task, bool)             { panic("not written yet") }
func (v *View) TaskByKey(key string) (task.Task, bool)        { panic("not written yet") }
func (v *View) List(q task.Query) task.Page                   { panic("not written yet") }
func (v *View) Counts() task.Counts                           { panic("not written yet") }
func (v *View) Capacity() task.Capacity                       { panic("not written yet") }
func (v *View) Slaves() []task.Slave                          { panic("not written yet") }
func (v *View) Slave(name string) (task.Slave, bool)          { panic("not written yet") }
func (v *View) Masters() []task.Master                        { panic("not written yet") }
func (v *View) Pending(yield func(task.Task) bool)            { panic("not written yet") }
func (v *View) InProgress(yield func(task.Task) bool)         { panic("not written yet") }
func (v *View) Held(slave string, yield func(task.Task) bool) { panic("not written yet") }
func (v *View) Fingerprint() string                           { panic("not written yet") }
func (v *View) Save(w io.Writer) error                        { panic("not written yet") }
