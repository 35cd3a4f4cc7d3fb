package worker

import (
	"context"
	"time"

	"muster/task"
)

// Acknowledged attempts are remembered so that one that is sent again is not
// run again. The stamps alone prevent that while the masters behave; this is
// the second line, and it is bounded.
const (
	maxRecent      = 4096
	maxRecentBytes = 4 << 20
)

// key names an attempt within one incarnation.
type key struct {
	id     task.ID
	number uint32
}

// attempt is one attempt that was accepted. Its fields are under Worker.mu.
type attempt struct {
	key
	state     state
	cancelled bool          // a master had it stopped: its result is not wanted
	estranged bool          // of a cluster that the worker has left: no master wants it
	returned  chan struct{} // closed when it has ended; nil while nobody waits for that
	result    task.Result   // once finished

	// Of one that a handler runs, while it does.
	cancel context.CancelCauseFunc

	// Of one that an engine runs, while it does.
	run      *run
	place    int           // in run
	live     int           // its index in Worker.live
	cause    error         // why it is to end; nil: it is not
	limit    time.Duration // until deadline, at the start
	deadline time.Time
}

// state is how far an attempt is.
type state uint8

const (
	running      state = iota
	finished           // its result waits for a verdict
	acknowledged       // remembered, no longer held
	interrupted        // cut short by Stop, without a result
)

// table holds the attempts that are known: all that are held, and the most
// recent of the acknowledged ones. It is under Worker.mu.
type table struct {
	attempts    map[key]*attempt
	tasks       map[task.ID]seen
	recent      []*attempt // acknowledged, oldest first
	recentBytes int
}

// seen sums up the known attempts of one task.
type seen struct {
	highest uint32
	count   int
}

func newTable() table {
	return table{attempts: make(map[key]*attempt), tasks: make(map[task.ID]seen)}
}

// highest returns the highest attempt known of a task, or 0.
func (t *table) highest(id task.ID) uint32 { return t.tasks[id].highest }

func (t *table) add(a *attempt) {
	t.attempts[a.key] = a
	s := t.tasks[a.id]
	t.tasks[a.id] = seen{highest: max(s.highest, a.number), count: s.count + 1}
}

// acknowledge moves an attempt to the remembered ones, and forgets the oldest
// of them where they are too many.
func (t *table) acknowledge(a *attempt) {
	a.state = acknowledged
	t.recent = append(t.recent, a)
	t.recentBytes += size(a.result)
	for len(t.recent) > maxRecent || t.recentBytes > maxRecentBytes {
		oldest := t.recent[0]
		t.recent[0] = nil // let it go before the slice moves on
		t.recent = t.recent[1:]
		t.recentBytes -= size(oldest.result)
		t.forget(oldest)
	}
}

func (t *table) forget(a *attempt) {
	delete(t.attempts, a.key)
	s := t.tasks[a.id]
	if s.count--; s.count == 0 {
		delete(t.tasks, a.id)
		return
	}
	t.tasks[a.id] = s
}

// size is what a result weighs: its texts.
func size(r task.Result) int { return len(r.Value.Text) + len(r.Error) }
