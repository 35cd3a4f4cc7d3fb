package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"muster/task"
)

// Limits of a child process.
const (
	// ChildMemory is how many bytes of data a child may have before the system
	// refuses it more, which ends it. Where the system can't be told (not Linux),
	// the child watches itself, and ends soon after.
	ChildMemory  = 512 << 20
	childGoal    = ChildMemory / 2 // the garbage collector works hard from here
	childThreads = 2               // that run Go code at once
)

// ServeChild is the whole life of a child process: it limits itself, then
// computes what comes from in, many expressions at once, until in ends. It
// returns nil then, also while something is still being computed.
func ServeChild(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := limitMemory(ChildMemory); err != nil {
		return fmt.Errorf("limit the memory of the evaluating process: %w", err)
	}
	debug.SetMemoryLimit(childGoal)
	runtime.GOMAXPROCS(min(childThreads, runtime.NumCPU()))
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if !systemBounds {
		go watchMemory(ctx, ChildMemory) // the process's end is its end
	}
	e := New(nil)
	e.turns = make(turns, maxComputing)
	return serve(ctx, in, out, e.Evaluate)
}

// answerTo says what an evaluation came to. One that failed after its context
// ended was given up, or the process ends: that is not the expression's fault, and
// must not be recorded as if it were.
func answerTo(ctx context.Context, id uint64, v task.Value, err error) answer {
	switch {
	case err == nil:
		return answer{id: id, value: v}
	case ctx.Err() != nil:
		return answer{id: id, stopped: true}
	default:
		return answer{id: id, err: clip(err.Error())}
	}
}

// result is what an answer says of its request.
func (a answer) result() (task.Value, error) {
	switch {
	case a.stopped: // and nobody asked for it: the process is ending
		return task.Value{}, errDied
	case a.err != "":
		return task.Value{}, errors.New(a.err)
	}
	return a.value, nil
}

// clip cuts an error's words to what a task keeps. govaluate writes whole values
// into its errors.
func clip(s string) string {
	const mark = " …"
	if len(s) > task.MaxErrorBytes {
		s = s[:task.MaxErrorBytes-len(mark)] + mark
	}
	if s = strings.ToValidUTF8(s, ""); s == "" {
		return "the expression failed without a word"
	}
	return s
}
