package scheduler

import (
	"time"

	"muster/fsm"
	"muster/task"
)

// Call is what somebody asks of the core, other than a submit. It is the core's until
// Plan returns it with its answer.
type Call struct {
	Slave    task.Slave     // of Register, Drain, Remove, Leave
	Task     task.Task      // of Cancel
	Verdicts []task.Verdict // of Report
	Err      error

	// Answered is the caller's, for whoever waits for the answer.
	Answered chan struct{}

	open int // verdicts that are missing
}

// answer answers a call about a slave.
func (call *Call) answer(c *Core, rec task.Slave, err error) {
	if call == nil {
		return // nobody waits for it
	}
	call.Slave, call.Err = rec, err
	c.out.Calls = append(c.out.Calls, call)
}

// cancelling is the end of a task on its way into the log.
type cancelling struct{ call *Call }

func (f cancelling) settle(c *Core, o fsm.Outcome, err error, _ time.Time) {
	if f.call.Err = err; err == nil {
		f.call.Task = *o.Task
	}
	c.out.Calls = append(c.out.Calls, f.call)
}

// Note is something that a person may want to read in the log.
type Note struct {
	Level Level
	Text  string
	Attrs []any // as log/slog has them: a name, its value, …
}

// Level is how much a Note matters.
type Level uint8

// The levels.
const (
	Debug Level = iota
	Info
	Warn
)

func (o *Outputs) note(level Level, text string, attrs ...any) {
	o.Notes = append(o.Notes, Note{level, text, attrs})
}
