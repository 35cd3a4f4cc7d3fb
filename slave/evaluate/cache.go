package evaluate

import (
	"strings"
	"sync"
)

// Bounds of one generation of a cache. What an expression becomes takes up to 300
// times its bytes (measured: choices take the most), so that both generations stay
// below a third of childGoal.
const (
	cacheSize  = 512       // parsed expressions
	cacheBytes = 128 << 10 // of their texts
)

// cache keeps parsed expressions in two generations: when the young one is full
// it becomes the old one, and what is used again moves back. The zero value is
// ready.
type cache struct {
	mu         sync.Mutex
	young, old map[string]*compiled // under mu
	bytes      int                  // of the young ones' texts; under mu
}

// get returns the parsed expression. A wrong one is not kept.
func (c *cache) get(expression string) (*compiled, error) {
	if found := c.find(expression); found != nil {
		return found, nil
	}
	made, err := compile(expression)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(strings.Clone(expression), made) // it may be a part of a longer text
	return made, nil
}

func (c *cache) find(expression string) *compiled {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.young[expression]; found != nil {
		return found
	}
	found := c.old[expression]
	if found != nil {
		c.put(strings.Clone(expression), found)
	}
	return found
}

// put needs c.mu.
func (c *cache) put(expression string, made *compiled) {
	if c.young == nil || len(c.young) >= cacheSize || c.bytes+len(expression) > cacheBytes {
		c.young, c.old, c.bytes = make(map[string]*compiled), c.young, 0
	}
	if c.young[expression] == nil {
		c.bytes += len(expression)
	}
	c.young[expression] = made
}
