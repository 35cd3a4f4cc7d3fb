// Package heap tells Go's garbage collector how much memory there is, and how much garbage
// may lie about. By itself it lets a heap double between two collections: one of a few
// megabytes is then collected dozens of times a second under load, and one of many hundred
// megabytes may be twice as large as what is in it.
package heap
