// Package upgrade rolls a running cluster from the version before this one to this
// one, as an orchestrator does: one process after the other, each when the one
// before says at /readyz that it is ready, while clients submit and wait.
//
// The version before is the newest tag v* among the commits before this one, or,
// while there is none, the commit in the file PREDECESSOR. It is built from the
// repository's history, so the test needs git and a clone that is not shallow.
//
//   - predecessor_linux_test.go: which version that is, and both binaries
//   - cluster_linux_test.go: masters and slaves as real processes
//   - load_linux_test.go: clients that submit and wait
//   - upgrade_linux_test.go: the orders in which a cluster is rolled
package upgrade
