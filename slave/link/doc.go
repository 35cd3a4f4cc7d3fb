// Package link carries the words between leader, slave and masters over
// HTTP/1.1 and JSON, in both directions:
//
//   - Handler and NewServer are the slave's endpoints in front of a
//     worker.Worker: GET /available, POST /tasks, GET /tasks,
//     POST /tasks/{id}/cancel, GET /healthz.
//   - Sender is the leader's side of the same endpoints. It sorts every failure
//     into "surely not reached", "refused", and "unclear".
//
// The shapes are in message.go and parameter.go; they are small and plain, so
// that a slave can be written in any language. Every request of a leader has
// the headers Muster-Term, Muster-Sequence and Muster-Cluster. Every answer that is not an error
// says how many slots are free. An error is {"error":"a sentence","code":"…"}.
package link
