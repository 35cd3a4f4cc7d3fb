package cluster

import "sync"

// callers counts the connections that other masters have to this one. A leader has some
// to each follower, all the time: its heartbeats come by one of them. When its process
// ends, the operating system closes them all at once.
type callers struct {
	mu     sync.Mutex
	counts map[string]int // by the master's id; under mu
	gone   chan struct{}  // holds a value when some master's last connection has ended
}

func newCallers() *callers {
	return &callers{counts: map[string]int{}, gone: make(chan struct{}, 1)}
}

func (c *callers) came(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[id]++
}

func (c *callers) went(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts[id]--; c.counts[id] > 0 {
		return
	}
	delete(c.counts, id)
	select {
	case c.gone <- struct{}{}:
	default: // who looks will look at all of them
	}
}

// connected reports whether a master has a connection to this one.
func (c *callers) connected(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[id] > 0
}
