package simnet

import (
	"slices"
	"sync"
	"time"
)

// Latency is how long each chunk of bytes is on its way.
const Latency = 200 * time.Microsecond

// Network connects processes by the names of their hosts.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener // by address; under mu
	blocked   map[direction][]string
	rejected  map[way]bool
	changed   chan struct{} // closed and replaced when a direction is blocked or passes; under mu
}

// direction is from one host to another.
type direction struct{ from, to string }

// way is from one host to a port of another.
type way struct {
	direction
	port string
}

// New returns a network without faults.
func New() *Network {
	return &Network{
		listeners: map[string]*listener{}, blocked: map[direction][]string{}, rejected: map[way]bool{}, changed: make(chan struct{}),
	}
}

// everyPort in the list of a direction's blocked ports stands for all.
const everyPort = "*"

// Block holds back what goes from one host to another: on connections to or from
// the given ports of a listener ("80"), on all without. What is under way stays
// under way.
func (n *Network) Block(from, to string, ports ...string) {
	if len(ports) == 0 {
		ports = []string{everyPort}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d := direction{from, to}
	n.blocked[d] = append(n.blocked[d], ports...)
	n.tell()
}

// Reject refuses connections from one host to a port of another, and resets those that
// there are, as a firewall does that rejects; who listens there does not notice.
func (n *Network) Reject(from, to, port string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rejected[way{direction{from, to}, port}] = true
	n.tell()
}

// rejects tells whether connections to a port are rejected, in either direction.
func (n *Network) rejects(d direction, port string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rejected[way{d, port}] || n.rejected[way{direction{d.to, d.from}, port}]
}

// Pass undoes every Block of this direction; what was held back arrives.
func (n *Network) Pass(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.blocked, direction{from, to})
	n.tell()
}

// PassAll undoes every Block and Reject.
func (n *Network) PassAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.blocked)
	clear(n.rejected)
	n.tell()
}

// tell wakes who waits for a direction. The caller holds mu.
func (n *Network) tell() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// passes reports whether the direction is open for connections to a listener's
// port, and returns a channel that is closed when that may have changed.
func (n *Network) passes(d direction, port string) (bool, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ports := n.blocked[d]
	return !slices.Contains(ports, everyPort) && !slices.Contains(ports, port), n.changed
}
