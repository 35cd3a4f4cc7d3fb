package scheduler

import (
	"time"

	"muster/fsm"
	"muster/task"
)

// Retention says which done tasks are forgotten: the oldest of more than Tasks, of
// more than Bytes of memory, and those that are older than Age; but never one that
// was done for less than Min. A zero field takes the default.
type Retention struct {
	Tasks int           // 1,000,000
	Bytes int64         // 1 GiB
	Age   time.Duration // 7 days
	Min   time.Duration // 10 minutes
}

const (
	// forgetStep bounds what one command forgets, keepMost what it may leave out.
	forgetStep = task.MaxPage
	keepMost   = 256
	// looks is how often within Min the leader looks at what may be forgotten.
	looks = 20
)

// mark says that what had been applied up to an index was there at a time. Times
// are this leader's own, of its monotonic clock: how long a task has been done is
// never read from the stamps of another's clock, and a new leader waits for Min
// before it forgets anything.
type mark struct {
	at    time.Time
	index uint64
}

// retention forgets old tasks.
type retention struct {
	c       *Core
	marks   []mark // the newest that is older than Min, and those after it
	next    time.Time
	busy    bool // a command is on its way
	crowded bool // there is too much in memory, and nothing that may be forgotten
}

// sweep proposes to forget what is too much or too old.
func (rt *retention) sweep(now time.Time) {
	if rt.busy || now.Before(rt.next) {
		return
	}
	rt.next = now.Add(rt.c.cfg.Retention.Min / looks)
	v := rt.c.view
	safe := rt.mark(now, v.Index(), rt.c.cfg.Retention.Min)
	want := rt.excess(v)
	ending, known := rt.c.log.ending()
	if !known {
		return // it is looked at again when this is due the next time
	}
	cmd, n, more := rt.choose(v, safe, want, ending, now)
	rt.crowded = n == 0 && v.DoneBytes() > rt.c.cfg.Retention.Bytes
	if n == 0 {
		return
	}
	rt.busy = true
	rt.c.log.propose(cmd, forgetting{more})
}

// forgetting is a step of forgetting on its way into the log.
type forgetting struct{ more bool }

func (f forgetting) settle(c *Core, _ fsm.Outcome, err error, now time.Time) {
	c.retention.busy = false
	switch {
	case err != nil:
		c.out.note(Debug, "old tasks were not forgotten", "error", err)
	case f.more:
		c.retention.next = now
	}
}

// mark notes where the log is, and returns the index up to which everything has
// been there for at least so long; 0 for nothing.
func (rt *retention) mark(now time.Time, index uint64, atLeast time.Duration) uint64 {
	if n := len(rt.marks); n == 0 || now.Sub(rt.marks[n-1].at) >= atLeast/looks {
		rt.marks = append(rt.marks, mark{now, index})
	}
	for len(rt.marks) > 1 && now.Sub(rt.marks[1].at) >= atLeast {
		rt.marks = rt.marks[1:]
	}
	if now.Sub(rt.marks[0].at) < atLeast {
		return 0
	}
	return rt.marks[0].index
}

// excess is how many tasks too many there are, by number or by memory.
func (rt *retention) excess(v *fsm.View) int {
	counts := v.Counts()
	kept := int(counts.Done - counts.Forgotten)
	if kept == 0 {
		return 0
	}
	average := max(1, v.DoneBytes()/int64(kept))
	tooLarge := (v.DoneBytes() - rt.c.cfg.Retention.Bytes + average - 1) / average
	return max(0, kept-rt.c.cfg.Retention.Tasks, int(tooLarge))
}

// choose names the n oldest tasks that are too many or too old, as far as one step
// goes; more tells that there may be others. Those that are ending stay: they will have
// just ended when the command is applied.
func (rt *retention) choose(v *fsm.View, safe uint64, want int, ending []task.ID, now time.Time) (cmd fsm.ForgetTasks, n int, more bool) {
	tooOld := task.Millis(now.Add(-rt.c.cfg.Retention.Age).UnixMilli())
	page := v.List(task.Query{Status: task.Done, Limit: 1})
	if want == 0 && (len(page.Tasks) == 0 || page.Tasks[0].FinishedAt > tooOld) {
		return cmd, 0, false
	}
	page = v.List(task.Query{Status: task.Done, Limit: forgetStep})
	var keep []task.ID
	for _, t := range page.Tasks {
		for ; len(ending) > 0 && ending[0] <= t.ID; ending = ending[1:] {
			if ending[0] < t.ID {
				keep = append(keep, ending[0])
			}
		}
		if n >= want && t.FinishedAt > tooOld || len(keep) >= keepMost {
			return cmd, n, false
		}
		if t.Index > safe {
			keep = append(keep, t.ID)
			continue
		}
		n++
		cmd.UpTo, cmd.Keep = t.ID, keep
	}
	return cmd, n, page.Next != 0
}
