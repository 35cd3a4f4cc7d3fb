// Package tasks proves what muster promises of submits and of a task's life
// (docs/promises.md): its key, its place in the queue, its times, and how it ends.
package tasks
