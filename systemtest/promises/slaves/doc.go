// Package slaves proves what muster promises of executions (docs/promises.md) while
// slaves die, are silent, lie, answer wrongly, come back, or differ in what they can.
package slaves
