// Package promises proves what muster promises (docs/promises.md), in fake time:
// its own tests are named after the promises, each told once from its everyday side
// and once from its bad day, or are about what all of them rest on. The packages
// below it go through the bad days one by one, each its own subject, so that each
// takes little time:
//
//   - leaderloss: the leader is lost at each point of a task's way
//   - random: many faults at random moments, under load
//   - reads: what is read, listed, exported and watched
//   - slaves: slaves that die, lie, come back, differ
//   - tasks: keys, queues, times, ends of tasks
//
// All tell their stories with package story.
package promises
