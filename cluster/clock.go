package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"muster/task"
	"muster/task/wait"
)

const (
	// clockSlack is how far a master's wall clock may be from the cluster's clock
	// before it asks the others what theirs show.
	clockSlack = time.Second
	// clockEvery is how often a leader compares the two.
	clockEvery = 10 * time.Second
	// clockAnswer bounds one round of asking, and clockPatience all rounds of a new
	// leader that has no majority's answers yet.
	clockAnswer   = 500 * time.Millisecond
	clockPatience = 2 * time.Second
)

// clock is the cluster's clock as this master knows it. It goes on from the newest
// stamp in the log by this master's monotonic clock, so that a wall clock that is
// wrong, or is set while the master runs, moves nothing. It never goes back, so
// stamps don't either, whoever leads. See docs/adr/0012-the-clusters-clock.md.
type clock struct {
	mu    sync.Mutex
	at    task.Millis // under mu: what it showed …
	since time.Time   // under mu: … at this monotonic reading
}

// now returns what the clock shows; 0 while nothing is known.
func (c *clock) now() task.Millis {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read(time.Now())
}

func (c *clock) read(now time.Time) task.Millis {
	if c.since.IsZero() {
		return 0
	}
	return c.at + task.Millis(now.Sub(c.since).Milliseconds())
}

// advance has the clock show at least the given instant: it takes in the stamp of
// an entry that was applied, or what a majority's wall clocks show.
func (c *clock) advance(to task.Millis) {
	if to <= 0 {
		return // the stamp of a leader that did not know the time yet
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() || to > c.read(now) {
		c.at, c.since = to, now
	}
}

// Clock returns the cluster's clock. A leader's decisions about time go by it.
func (n *Node) Clock() task.Millis { return n.clock.now() }

// setClock brings the clock of a new leader up to the wall clocks of a majority,
// where its own wall clock does not agree with what it knows: at the first start
// of a cluster, after all masters were down, or when this wall clock is wrong. If
// too few answer, a clock that shows something stays as it is.
func (n *Node) setClock(ctx context.Context, r *raft.Raft) {
	patience, cancel := context.WithTimeout(ctx, clockPatience)
	defer cancel()
	for n.clockIsOff() {
		walls, voters := n.wallClocks(patience, r)
		enough := len(walls) > voters/2
		if enough && (n.clock.now() > 0 || len(walls) == voters || agree(walls, voters)) {
			n.clock.advance(trusted(walls))
			break
		}
		if !wait.Sleep(patience, clockAnswer/5) {
			if enough {
				n.clock.advance(trusted(walls))
			}
			break
		}
	}
	if ctx.Err() == nil && n.clock.now() == 0 {
		n.clock.advance(n.wallClock())
	}
	n.tellClock()
}

// keepClock looks after the clock while this node leads. A master without others
// to ask goes by its monotonic clock alone.
func (n *Node) keepClock(ctx context.Context, r *raft.Raft) {
	for wait.Sleep(ctx, clockEvery) {
		if !n.clockIsOff() {
			continue
		}
		if walls, voters := n.wallClocks(ctx, r); len(walls) > 1 && len(walls) > voters/2 {
			n.clock.advance(trusted(walls))
			n.tellClock()
		}
	}
}

// clockIsOff tells whether this master's wall clock and the cluster's differ.
func (n *Node) clockIsOff() bool { return n.clockOffset().Abs() > clockSlack }

func (n *Node) clockOffset() time.Duration {
	return time.Duration(n.wallClock()-n.clock.now()) * time.Millisecond
}

func (n *Node) wallClock() task.Millis { return task.Millis(n.cfg.Now().UnixMilli()) }

func (n *Node) tellClock() {
	if n.clockIsOff() {
		n.logger.Warn("this master's wall clock does not agree with the cluster's clock, which is what counts; set it right",
			"ahead", n.clockOffset().Round(time.Millisecond))
	}
}

// wallClocks returns what the wall clocks of the voters show that answer, this
// one's among them, and how many voters there are.
func (n *Node) wallClocks(ctx context.Context, r *raft.Raft) (walls []task.Millis, voters int) {
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if s.Suffrage == raft.Voter {
			voters++
		}
	}
	ctx, cancel := context.WithTimeout(ctx, clockAnswer)
	defer cancel()
	walls = []task.Millis{n.wallClock()}
	for _, a := range n.askVoters(ctx, r) {
		if a.hello.WallClock != 0 { // a master of an older version does not say
			walls = append(walls, a.hello.WallClock)
		}
	}
	return walls, voters
}

// agree reports whether the wall clocks of a majority show the same. Where a cluster is
// formed, not all masters may answer yet, and of two that differ one is wrong.
func agree(walls []task.Millis, voters int) bool {
	same := 0
	for _, wall := range walls {
		if (time.Duration(wall-trusted(walls)) * time.Millisecond).Abs() <= clockSlack {
			same++
		}
	}
	return same > voters/2
}

// trusted returns the median, and of an even number the lower of the two in the
// middle: what has to wait then waits too long rather than too short.
func trusted(walls []task.Millis) task.Millis {
	slices.Sort(walls)
	return walls[(len(walls)-1)/2]
}
