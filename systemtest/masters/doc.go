// Package masters starts the real muster on loopback: three masters that form a
// cluster, each a process of its own, and whatever else a program that measures
// them needs of processes. Those it starts die with it.
package masters
