// Package watch is where a master's replica shows its work: the View as of the last
// applied entry, and what its readers wait for in it.
//
// Who applies the log publishes to a Hub: entry by entry, or a whole state that came
// from a snapshot. Others have a Reader of it: they wait for an index of the log
// (waiters.go), for the end of a task, or look for the events behind a Position
// (window.go). A Follower is told of everything, in the order of the log.
//
// Publishing never blocks on a reader, and one entry is shown to all of them at once.
package watch
