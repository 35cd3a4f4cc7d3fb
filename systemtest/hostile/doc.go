// Package hostile throws at the real binary what nobody should send: a master and
// its slaves run as processes on loopback, and are sent expressions, bodies,
// headers and half-finished connections, from tables and from seeded generators.
//
// What must hold (docs/architecture.md, "What hostile input can cost"): the answer
// is a refusal with a reason, or the task ends as failed; everybody goes on
// serving; nothing panics; and the memory of each process stays under a bound.
// After each group of a test, system.unharmed checks all of that.
//
//   - process_test.go, memory_linux_test.go: processes, and what they hold
//   - system_test.go: a master and its slaves, and how to ask them
//   - expressions_test.go, generator_test.go: what a task can say
//   - bodies_test.go, mutate_test.go: what a request to a master can say
//   - connections_test.go: what a connection can do
//   - slave_test.go: the same at a slave's endpoints
//   - stamps_test.go: what is well formed, and a lie
//   - redirects_test.go: whose URL a follower believes
//   - values_test.go: results are the same, byte for byte, on every slave
package hostile
