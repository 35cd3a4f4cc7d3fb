package store

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"muster/task/wait"
)

// snapshotPatience is how many times longer than others a call may take that has
// a whole snapshot to sync or to check.
const snapshotPatience = 6

// Guard watches what Raft does on the disk. A write that hangs leaves
// hashicorp/raft a leader for ever, because heartbeats have goroutines of their
// own; so a watchdog stops the node. A write that fails stops it too: what is on
// the disk is then not known.
type Guard struct {
	limit time.Duration
	fail  func(error) // stops the node

	// raftRuns: the calls come from goroutines that Raft owns.
	raftRuns atomic.Bool
	// pieces counts what was read and written of snapshots.
	pieces atomic.Uint64

	mu      sync.Mutex
	running map[*operation]struct{} // under mu
}

// operation is a call to the disk that is under way.
type operation struct {
	what  string
	since time.Time
	extra time.Duration // that it may take, above what others may
}

func newGuard(limit time.Duration, fail func(error)) *Guard {
	return &Guard{limit: limit, fail: fail, running: map[*operation]struct{}{}}
}

// do runs one call under watch. bbolt panics where a page is not what it should
// be, and a file that was cut short faults where it is mapped: both are errors.
func (g *Guard) do(what string, call func() error) (err error) {
	defer catchDamage(&err)() //nolint:revive // twice on purpose: the first call sets the mode of faults
	return g.watched(operation{what: what}, call)
}

// slowly runs one call that may have a whole snapshot to write or to read.
func (g *Guard) slowly(what string, call func() error) error {
	return g.watched(operation{what: what, extra: (snapshotPatience - 1) * g.limit}, call)
}

func (g *Guard) watched(op operation, call func() error) error {
	op.since = time.Now()
	g.mu.Lock()
	g.running[&op] = struct{}{}
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.running, &op)
		g.mu.Unlock()
	}()
	return call()
}

// failed stops the node because of an error.
func (g *Guard) failed(what string, err error) error {
	err = Advised(fmt.Errorf("%s: %w", what, err))
	g.fail(err)
	return err
}

// RaftRuns tells that the calls come from goroutines that Raft owns from now on.
func (g *Guard) RaftRuns() { g.raftRuns.Store(true) }

// Pieces changes as snapshots are read and written.
func (g *Guard) Pieces() uint64 { return g.pieces.Load() }

// Hanging returns what takes longer than limit, and more where a whole snapshot is
// written or read.
func (g *Guard) Hanging(limit time.Duration) (what string, found bool) {
	op, found := g.hanging(limit)
	return op.what, found
}

// exit stops the node and, once Raft runs, ends the calling goroutine.
// hashicorp/raft panics where it can't store its term or read an entry that it
// must apply, which would take down the whole process, without the deferred
// functions of others. Goexit runs its deferred functions, so that Raft stops as
// if it were shut down, and Run returns the error.
func (g *Guard) exit(what string, err error) error {
	err = g.failed(what, err)
	if g.raftRuns.Load() {
		runtime.Goexit()
	}
	return err
}

// Watch tells of calls that hang, until ctx ends.
func (g *Guard) Watch(ctx context.Context, hangs func(error)) {
	wait.Every(ctx, g.limit/4, func() {
		if op, found := g.hanging(g.limit); found {
			hangs(fmt.Errorf("%s: the disk has not answered for %s; this master stops so that another can lead", op.what, g.limit+op.extra))
		}
	})
}

// Busy reports whether a call is under way.
func (g *Guard) Busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.running) > 0
}

// hanging returns a call that takes longer than it may.
func (g *Guard) hanging(limit time.Duration) (operation, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for op := range g.running {
		if time.Since(op.since) > limit+op.extra {
			return *op, true
		}
	}
	return operation{}, false
}
