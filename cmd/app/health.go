package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"muster/cluster"
	"muster/task"
)

const (
	// loopLook is how often the loops are looked at, askEvery how many looks there
	// are between two questions to Raft.
	loopLook = time.Second
	askEvery = 5
	// A loop that is at the same thing for so many looks is stuck: the master is not
	// healthy then, and ends after endLooks. Looks are counted, and not time: a
	// process that was frozen, or gets no processor, does not look, either.
	stuckLooks = 30
	endLooks   = 2 * stuckLooks
	// maxStacks bounds the stacks in the log, in bytes.
	maxStacks = 64 << 10
)

// health looks whether a master's loops get on. A master whose loops hang would go
// on as the leader, because heartbeats have goroutines of their own.
type health struct {
	ask   func()                // asks Raft, and does not wait
	loops func() []cluster.Loop // as they are now
	fail  func(error)           // ends the master
	log   *slog.Logger

	stuck atomic.Pointer[error]
	same  map[string]look // by the loop's name; run's
}

// look is what a loop was at, and for how many looks it is that.
type look struct {
	turn  uint64
	looks int
}

// err returns nil, or which loop is stuck. It waits for nobody.
func (h *health) err() error {
	if err := h.stuck.Load(); err != nil {
		return *err
	}
	return nil
}

// run looks until ctx ends.
func (h *health) run(ctx context.Context) {
	h.same = map[string]look{}
	tick := time.NewTicker(loopLook)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if i%askEvery == 0 {
			h.ask()
		}
		h.judge(h.loops())
	}
}

// judge takes in one look.
func (h *health) judge(loops []cluster.Loop) {
	longest, name := 0, ""
	now := make(map[string]look, len(loops))
	for _, l := range loops {
		before, known := h.same[l.Name]
		seen := look{turn: l.Turn}
		if l.Busy && known && before.turn == l.Turn {
			seen.looks = before.looks + 1
		}
		if seen.looks > longest {
			longest, name = seen.looks, l.Name
		}
		now[l.Name] = seen
	}
	h.same = now
	if longest < stuckLooks {
		h.stuck.Store(nil)
		return
	}
	var err error = task.Refuse(task.CodeStalled, fmt.Sprintf("%s of this master has not answered for %s", name, time.Duration(longest)*loopLook))
	h.stuck.Store(&err)
	switch longest {
	case stuckLooks:
		h.log.Error("a loop of this master is stuck", "loop", name, "for", time.Duration(longest)*loopLook, "stacks", stacks())
	case endLooks:
		h.fail(fmt.Errorf("%w; this master stops so that another can lead", err))
	}
}

// stacks are those of all goroutines, the same ones told together.
func stacks() string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return err.Error()
	}
	return string(b.Bytes()[:min(b.Len(), maxStacks)])
}

// loops are the node's, and the dispatcher's while this master leads.
func (m *master) loops() []cluster.Loop {
	loops := m.node.Loops()
	if d := m.backend.current.Load(); d != nil {
		turn, busy := d.Turn()
		loops = append(loops, cluster.Loop{Name: "the dispatcher's loop", Busy: busy, Turn: turn})
	}
	return loops
}
