package evaluate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"

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

// errGivenUp is the cause of a context whose request was cancelled.
var errGivenUp = errors.New("given up")

// serve computes with a given function.
func serve(ctx context.Context, in io.Reader, out io.Writer, evaluate func(context.Context, task.Order) (task.Value, error)) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	answers := newFrames(out, ctx.Done(), stop)
	var mu sync.Mutex
	running := map[uint64]context.CancelCauseFunc{} // under mu

	frames := bufio.NewReaderSize(in, 64<<10)
	for {
		var r request
		err := readFrame(frames, &r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.Cancel {
			mu.Lock()
			cancel := running[r.ID]
			mu.Unlock()
			if cancel != nil {
				cancel(errGivenUp)
			}
			continue
		}
		one, cancel := context.WithCancelCause(ctx)
		mu.Lock()
		running[r.ID] = cancel
		mu.Unlock()
		go func() { // the process's end is its end
			v, err := evaluate(one, task.Order{Expression: r.Expression, Parameters: r.Parameters})
			answer := answerTo(one, r.ID, v, err)
			mu.Lock()
			delete(running, r.ID)
			mu.Unlock()
			cancel(nil)
			answers.send(answer, nil) // the slave reads until its end, and then so does this process
		}()
	}
}

// answerTo says what an evaluation came to. One that failed after its context
// ended was given up, or the process ends: that is not the expression's fault, and
// must not be recorded as if it were.
func answerTo(ctx context.Context, id uint64, v task.Value, err error) response {
	switch {
	case err == nil:
		return response{ID: id, Value: v}
	case ctx.Err() != nil:
		return response{ID: id, Stopped: true}
	default:
		return response{ID: id, Error: clip(err.Error())}
	}
}

// clip cuts an error's words to what a task keeps. govaluate writes whole values
// into its errors.
func clip(s string) string {
	const mark = " …"
	if len(s) > task.MaxErrorBytes {
		s = s[:task.MaxErrorBytes-len(mark)] + mark
	}
	return strings.ToValidUTF8(s, "")
}
