package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"muster/task"
)

// errVanished is the end of a handler that called runtime.Goexit.
var errVanished = errors.New("the handler ended its goroutine")

// execute runs the handler and makes a result of whatever it comes to. The
// error, for a result that is a failure, is the reason.
func (w *Worker) execute(ctx context.Context, h Handler, o task.Order) (task.Result, error) {
	value, err := w.call(ctx, h, o)
	return conclude(key{o.ID, o.Attempt}, value, err, context.Cause(ctx))
}

// conclude makes a result of what an attempt came to, by its handler or its engine, and
// why it was to end before, if it was.
func conclude(k key, value task.Value, err, cause error) (task.Result, error) {
	if err == nil {
		value, err = checked(value)
	}
	if err == nil {
		return task.Result{ID: k.id, Attempt: k.number, Outcome: task.Succeeded, Value: value}, nil
	}
	limit, late := errors.AsType[*timeoutError](cause)
	if !late {
		return failure(k, err), err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, limit) {
		err = limit // there is nothing to add
	} else {
		err = fmt.Errorf("%w: %w", limit, err)
	}
	r := failure(k, err)
	r.Retryable = false // it would most likely take as long again
	return r, err
}

// call turns a panic of the handler into an error.
func (w *Worker) call(ctx context.Context, h Handler, o task.Order) (v task.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("a handler panicked", "task", o.ID, "attempt", o.Attempt, "kind", o.Kind, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("the handler of kind %q panicked: %v", o.Kind, p)
		}
	}()
	return h(ctx, o)
}

// failure is the result of an attempt that ended with an error.
func failure(k key, err error) task.Result {
	return task.Result{ID: k.id, Attempt: k.number, Outcome: task.Failed, Error: errorText(err), Retryable: retryable(err)}
}

// checked returns a value that the masters can store and show, or the error
// that the task ends with instead.
func checked(v task.Value) (task.Value, error) {
	switch {
	case len(v.Text) > task.MaxResultBytes:
		return v, fmt.Errorf("the result has %d bytes; at most %d are kept", len(v.Text), task.MaxResultBytes)
	case !utf8.ValidString(v.Text):
		return v, errors.New("the result is not valid UTF-8")
	case v.Type > task.Boolean:
		return v, fmt.Errorf("the result has the unknown type %d", v.Type)
	case v.Type == task.NoValue && v.Text != "":
		v.Type = task.String
	}
	return v, nil
}

// errorText returns an error's words, cut to what is kept of them.
func errorText(err error) string {
	s := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(s) <= task.MaxErrorBytes {
		return s
	}
	const mark = " …"
	cut := task.MaxErrorBytes - len(mark)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + mark
}

func retryable(err error) bool {
	var r interface{ Retryable() bool }
	return errors.As(err, &r) && r.Retryable()
}
