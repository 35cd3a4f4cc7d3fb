package task

import "slices"

// Bounds of a registration.
const (
	MaxSlots     = 1 << 16
	MaxNameBytes = 128
	MaxURLBytes  = 1024
	MaxKinds     = 64

	MaxVersionBytes = 128
)

// SlaveState tells whether a slave may be given tasks.
type SlaveState uint8

// The slave states.
const (
	SlaveAlive    SlaveState = iota + 1
	SlaveDraining            // alive and drained: finishes what it has, takes nothing new
	SlaveLost                // silent for too long
	SlaveLeft                // said goodbye; keeps its place in the order
)

var slaveStateNames = [...]string{"", "alive", "draining", "lost", "left"}

// String returns the wire name: alive, draining, lost or left.
func (s SlaveState) String() string { return name(slaveStateNames[:], int(s)) }

// ParseSlaveState is the inverse of SlaveState.String.
func ParseSlaveState(s string) (SlaveState, bool) {
	i, ok := parse(slaveStateNames[:], s)
	return SlaveState(i), ok
}

// Kind is a kind of task that a slave runs.
type Kind struct {
	Name       string
	Idempotent bool
}

// Meaning says in words whether tasks of the kind may run twice.
func (k Kind) Meaning() string {
	if k.Idempotent {
		return "idempotent"
	}
	return "not idempotent"
}

// Slave is one entry of the slave registry.
type Slave struct {
	Name        string
	URL         string // base URL that the leader calls, without a trailing slash
	Slots       int    // tasks at once
	Busy        int    // attempts assigned and not ended, a counter of the state
	State       SlaveState
	Incarnation string  // random, new at every start of the process
	Kinds       []Kind  // sorted by name; never mutated
	Labels      []Label // sorted by name, each name once; never mutated
	Version     string  // of its program, as it says; empty if it does not
	Drained     bool    // an operator wants it to get no tasks, now and when it returns
	Order       uint64  // place in registration order; kept until it is removed

	RegisteredAt Millis
	LastSeenAt   Millis // known to the leader alone; not replicated, 0 elsewhere
	Index        uint64 // log index of the last change
}

// Bytes is how long the slave's texts are together; see Task.Bytes.
func (s *Slave) Bytes() int {
	n := len(s.Name) + len(s.URL) + len(s.Incarnation) + len(s.Version) + labelBytes(s.Labels)
	for _, k := range s.Kinds {
		n += len(k.Name)
	}
	return n
}

// Present returns the state of the slave while it answers: alive, or draining.
func (s *Slave) Present() SlaveState {
	if s.Drained {
		return SlaveDraining
	}
	return SlaveAlive
}

// Runs reports whether the slave declared the kind.
func (s *Slave) Runs(kind string) bool {
	for i := range s.Kinds {
		if s.Kinds[i].Name == kind {
			return true
		}
	}
	return false
}

// Contradicts returns the first of the kinds that the slave declared with another
// meaning.
func (s *Slave) Contradicts(kinds []Kind) (Kind, bool) {
	for _, k := range kinds {
		if slices.Contains(s.Kinds, Kind{Name: k.Name, Idempotent: !k.Idempotent}) {
			return k, true
		}
	}
	return Kind{}, false
}

// Registration is what a slave says of itself when it registers.
type Registration struct {
	Name        string
	URL         string
	Slots       int
	Incarnation string
	Kinds       []Kind
	Labels      []Label // sorted by name, each name once
	Version     string
}
