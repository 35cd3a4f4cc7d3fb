package cluster

import "sync/atomic"

// Loop is one of the goroutines without which a master does nothing, as it was just
// now. One that is busy, and whose turn is what it was long before, does not get on.
type Loop struct {
	Name string
	Busy bool   // it is at something; otherwise it waits for something to do
	Turn uint64 // changes as it gets on
}

// turns counts how often a loop begins and ends something: odd while it is at it.
type turns struct{ n atomic.Uint64 }

func (t *turns) begin() { t.n.Add(1) }
func (t *turns) end()   { t.n.Add(1) }

// step tells that what was begun gets on.
func (t *turns) step() { t.n.Add(2) }

func (t *turns) busy() bool { return t.n.Load()%2 == 1 }

// AskRaft asks Raft's main loop something that it can always answer, unless an
// earlier question is open: Loops then shows whether the answer came. It returns at
// once, and is called by one goroutine.
func (n *Node) AskRaft() {
	r := n.raft.Load()
	if r == nil || n.asked.busy() || !n.futures.Begin() {
		return
	}
	n.asked.begin()
	go func() { // futures waits for it
		defer n.futures.End()
		defer n.asked.end()
		_ = r.VerifyLeader().Error() // whether it leads is of no interest, but that it says so
	}()
}

// Loops returns the loops of this node that run. It costs nothing and waits for
// nobody.
//
// Raft's main loop is also as far as what it waits for: it hands out a long log to
// be applied, and takes in snapshots, without a look at anything else. While the
// disk has not answered, the watchdog judges.
func (n *Node) Loops() []Loop {
	if n.raft.Load() == nil {
		return nil
	}
	applied, pieces := n.replica.turns.n.Load(), n.store.Guard.Pieces()
	return []Loop{
		{Name: "Raft's main loop", Busy: n.asked.busy() && !n.store.Guard.Busy(), Turn: n.asked.n.Load() + applied + pieces},
		{Name: "the loop that applies the log", Busy: n.replica.turns.busy() && !n.store.Guard.Busy(), Turn: applied + pieces},
	}
}

// Fail stops the node because of err, which Run then returns. Another master leads
// as soon as the lease is over.
func (n *Node) Fail(err error) { n.fail(err) }
