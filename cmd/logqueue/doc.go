// Package logqueue keeps logging from holding up the work. Whoever logs hands a
// line to a bounded queue and goes on; one goroutine writes the lines. A pipe that
// nobody reads, a terminal that was stopped, or a full disk costs log lines, which
// are counted, and nothing else.
package logqueue
