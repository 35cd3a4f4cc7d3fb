// Package leaderloss loses the leader in each way at each point of a task's way,
// twice in a row, and while the next one takes over (docs/promises.md).
package leaderloss
