package task

// Ending is what one of several orders that were begun together came to.
type Ending struct {
	Place int // of the order among them
	Value Value
	Err   error
}
