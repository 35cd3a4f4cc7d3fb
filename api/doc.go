// Package api serves the HTTP API of a master: gin handlers over a Backend,
// which is all that they know of Raft, of the state and of dispatch.
//
// openapi.yaml is the source of everything on the wire; package api/wire is
// generated from it. A call goes through route.go: its query is read strictly, a
// call that only the leader can answer is redirected or forwarded (leader.go),
// and otherwise the handler (tasks.go, slaves.go, masters.go, node.go) asks the
// Backend. Every answer, also a failure, leaves through answer.go: stamped with
// an index and the leader's URL, and with the status that codes.go has for its
// code. A new call is a path in openapi.yaml and a line in the table of routes.go;
// the tests hold the one against the other, and every answer against the document.
package api
