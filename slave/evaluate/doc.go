// Package evaluate computes expressions. It is the only importer of govaluate,
// which is archived and trusts its input; so three things stand between it and
// what a client wrote:
//
//   - task.LexExpression splits the expression within limits, grammar reads the
//     tokens, and the library is handed a new text made from them (grammar.go,
//     compile.go). It never sees a string literal (it would take some for dates,
//     in the local time zone), an accessor (it would call Go methods), a regular
//     expression (compiling one can take seconds) or a mistake (it computes half
//     of some without a word).
//   - The functions are a fixed set, each with bounds (functions.go), and so are
//     the operators that the library leaves without (operators.go).
//   - Evaluation happens in a child process with a memory limit, that is killed
//     when it does not answer in time (pool.go, child.go, serve.go). What else it
//     computed at that moment is computed again in another one.
//
// Tasks that are sent together go together: Pool.Begin writes them to a process at
// once, the process reads them at once, computes one after the other on the goroutine
// that has read them, and writes all answers at once (job.go, record.go, runner.go). One
// that sleeps, or computes for a millisecond, no longer holds up the others.
//
// Evaluator computes in this process, for tests in fake time and for the child;
// Pool computes in children. The language is described in docs/expressions.md.
package evaluate
