//go:build !linux

package evaluate

// limitMemory can't bound this process here; the garbage collector's goal is all
// that holds it.
func limitMemory(uint64) error { return nil }
