package scheduler

import (
	"github.com/tidwall/btree"

	"muster/task"
)

// oldestEvery is how often the task that was submitted first leaves a line,
// whatever its priority: one in so many. So a stream of high priorities lets the
// others through, at a tenth of the rate.
const oldestEvery = 10

// turn is a pending task's place in its line.
type turn struct {
	priority task.Priority
	id       task.ID
}

// before orders by priority, the higher first, then by submission.
func (t turn) before(o turn) bool {
	return t.priority > o.priority || t.priority == o.priority && t.id < o.id
}

// pendingTasks are the pending tasks of a line. The counter begins anew with each
// term of a leader: that puts the oldest back by one round.
type pendingTasks struct {
	byTurn *btree.BTreeG[turn]
	byID   btree.Map[task.ID, turn]
	left   int // have left since the oldest did
}

func (p *pendingTasks) len() int { return p.byID.Len() }

func (p *pendingTasks) add(t turn) {
	if p.byTurn == nil {
		p.byTurn = btree.NewBTreeGOptions(turn.before, btree.Options{NoLocks: true})
	}
	p.byTurn.Set(t)
	p.byID.Set(t.id, t)
}

// first returns the one that leaves next.
func (p *pendingTasks) first() (turn, bool) {
	if p.left >= oldestEvery-1 {
		_, t, ok := p.byID.Min()
		return t, ok
	}
	if p.byTurn == nil {
		return turn{}, false
	}
	return p.byTurn.Min()
}

// leave takes out the first, which has found a slave.
func (p *pendingTasks) leave(t turn) {
	if p.left++; p.left >= oldestEvery {
		p.left = 0
	}
	p.remove(t)
}

// remove takes out a task that waits no longer, and tells whether it was there.
func (p *pendingTasks) remove(t turn) bool {
	if _, there := p.byID.Delete(t.id); !there {
		return false
	}
	p.byTurn.Delete(t)
	return true
}
