package evaluate

import "sync"

// cacheSize is how many parsed expressions one generation of a cache holds.
const cacheSize = 512

// cache keeps parsed expressions in two generations: when the young one is full
// it becomes the old one, and what is used again moves back. The zero value is
// ready.
type cache struct {
	mu         sync.Mutex
	young, old map[string]*compiled // under mu
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
	c.put(expression, made)
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
		c.put(expression, found)
	}
	return found
}

// put needs c.mu.
func (c *cache) put(expression string, made *compiled) {
	if c.young == nil || len(c.young) >= cacheSize {
		c.young, c.old = make(map[string]*compiled, cacheSize), c.young
	}
	c.young[expression] = made
}
