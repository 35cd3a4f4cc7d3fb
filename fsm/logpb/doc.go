// Package logpb holds the shapes of log entries and snapshot records, generated
// from log.proto. Package fsm converts them; nobody else imports this one.
//
// After a change to log.proto run "go generate ./fsm/logpb". It needs nothing
// but Go: the generator compiles the file itself and runs the pinned
// protoc-gen-go.
package logpb

//go:generate go run -C ../../scripts/tools ./protogen -root ../.. fsm/logpb/log.proto
