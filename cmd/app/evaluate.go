package app

import (
	"context"
	"io"

	"muster/slave/evaluate"
)

// EvaluateChild evaluates the expressions that come in until in ends. It is the
// whole life of the child process that a slave starts.
func EvaluateChild(ctx context.Context, in io.Reader, out io.Writer) error {
	return evaluate.ServeChild(ctx, in, out)
}
