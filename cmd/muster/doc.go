// Command muster is the one binary of muster: it runs a master or a slave,
// submits tasks, and shows and changes a cluster.
//
// main hands everything that a process has to run (arguments, streams,
// environment), so that tests call run as a user calls the program. root.go
// shows the tree of commands; each command has a file of its own. What they
// share:
//
//   - settings.go fills in every flag that the command line leaves out from the
//     environment (MUSTER_…), then from --config, then from its default;
//   - exit.go maps what went wrong to an exit code, and to words that say what
//     to do next;
//   - output.go prints tables for people and JSON for programs;
//   - address.go checks addresses before anything starts with them.
//
// Stdout carries answers and nothing else; logs and errors go to stderr.
package main
