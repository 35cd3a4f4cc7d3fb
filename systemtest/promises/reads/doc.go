// Package reads proves what muster promises of reads (docs/promises.md): their
// stamps, their order and their waits; lists and exports; watching.
package reads
