package cluster

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

// storeGuard watches what Raft does on the disk. A write that hangs leaves
// hashicorp/raft a leader for ever, because heartbeats have goroutines of their
// own; so a watchdog stops the node. A write that fails stops it too: what is on
// the disk is then not known.
type storeGuard struct {
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

func newStoreGuard(limit time.Duration, fail func(error)) *storeGuard {
	return &storeGuard{limit: limit, fail: fail, running: map[*operation]struct{}{}}
}

// do runs one call under watch. bbolt panics where a page is not what it should
// be, and a file that was cut short faults where it is mapped: both are errors.
func (g *storeGuard) do(what string, call func() error) (err error) {
	defer catchDamage(&err)() //nolint:revive // twice on purpose: the first call sets the mode of faults
	return g.watched(operation{what: what}, call)
}

// slowly runs one call that may have a whole snapshot to write or to read.
func (g *storeGuard) slowly(what string, call func() error) error {
	return g.watched(operation{what: what, extra: (snapshotPatience - 1) * g.limit}, call)
}

func (g *storeGuard) watched(op operation, call func() error) error {
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
func (g *storeGuard) failed(what string, err error) error {
	err = advised(fmt.Errorf("%s: %w", what, err))
	g.fail(err)
	return err
}

// exit stops the node and, once Raft runs, ends the calling goroutine.
// hashicorp/raft panics where it can't store its term or read an entry that it
// must apply, which would take down the whole process, without the deferred
// functions of others. Goexit runs its deferred functions, so that Raft stops as
// if it were shut down, and Run returns the error.
func (g *storeGuard) exit(what string, err error) error {
	err = g.failed(what, err)
	if g.raftRuns.Load() {
		runtime.Goexit()
	}
	return err
}

// watch tells of calls that hang, until ctx ends.
func (g *storeGuard) watch(ctx context.Context, hangs func(error)) {
	wait.Every(ctx, g.limit/4, func() {
		if op, found := g.hanging(g.limit); found {
			hangs(fmt.Errorf("%s: the disk has not answered for %s; this master stops so that another can lead", op.what, g.limit+op.extra))
		}
	})
}

// busy reports whether a call is under way.
func (g *storeGuard) busy() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.running) > 0
}

// hanging returns a call that takes longer than it may.
func (g *storeGuard) hanging(limit time.Duration) (operation, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for op := range g.running {
		if time.Since(op.since) > limit+op.extra {
			return *op, true
		}
	}
	return operation{}, false
}
