package demo

import "sync"

// news are lines that wait to be printed by the one goroutine that owns the
// screen. Adding never blocks; of too many, the oldest are dropped.
type news struct {
	mu    sync.Mutex
	lines []string

	wake chan struct{} // has an element when there are lines
}

// maxNews is more than fits on any screen.
const maxNews = 1000

func newNews() *news { return &news{wake: make(chan struct{}, 1)} }

func (n *news) add(lines ...string) {
	n.mu.Lock()
	n.lines = append(n.lines, lines...)
	n.lines = n.lines[max(0, len(n.lines)-maxNews):]
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// take returns the lines and forgets them.
func (n *news) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	lines := n.lines
	n.lines = nil
	return lines
}
