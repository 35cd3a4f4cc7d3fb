// Command bench measures what a task costs, from its submit to its result, in several builds
// of muster and in what they are compared with, in turn and on one machine. Everything runs on
// loopback; each measurement has processes and data of its own.
//
// hotpath.sh builds what it needs and runs it; README.md says how, and what each row is.
package main
