package evaluate

// The failures of this package that are not an expression's own. A caller looks
// for interface{ Retryable() bool }: each says that another execution may succeed.

// DiedError says that the process of a task died twice, the second time with
// that task alone.
type DiedError struct{}

// Error returns a sentence for the task's record.
func (DiedError) Error() string {
	return "the evaluating process died, twice: the expression needs more memory than it may have, or the process was killed"
}

// Retryable tells that another execution may succeed.
func (DiedError) Retryable() bool { return true }

// errClosed is the end of every request of a closed Pool.
var errClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string   { return "the evaluator is closed" }
func (closedError) Retryable() bool { return true }

// startError says that no process could be started.
type startError struct{ cause error }

func (e *startError) Error() string   { return "start an evaluating process: " + e.cause.Error() }
func (e *startError) Unwrap() error   { return e.cause }
func (e *startError) Retryable() bool { return true }
