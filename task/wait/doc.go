// Package wait has the waits that masters, slaves and clients share. Each has an end.
package wait
