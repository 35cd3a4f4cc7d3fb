package evidence

import (
	"slices"
	"time"

	"muster/api/client"
)

// read: each read shows a state that was, no older than it may be, and none
// that could not be yet. Tasks are numbered as they are recorded and none is
// forgotten in a test, so the number of tasks tells which of them a read showed.
func (e *Evidence) read(f *findings) {
	states := map[uint64]client.Counts{}
	for _, r := range e.reads {
		if c := r.Counts; c.Submitted != c.Pending+c.InProgress+c.Done {
			f.addf("counters", "%s counted %+v at index %d", r.Master, c, r.Index)
		}
		if other, there := states[r.Index]; there && other != r.Counts {
			f.addf("one index, one state", "index %d was shown with %+v and, by %s, with %+v", r.Index, other, r.Master, r.Counts)
		}
		states[r.Index] = r.Counts
		if begun := e.begunBefore(r.Ended); r.Counts.Submitted > begun {
			f.addf("nothing comes from nothing", "%s showed %d tasks, and %d had been sent", r.Master, r.Counts.Submitted, begun)
		}
	}
	e.monotonic(f)
	e.linearizable(f)
}

func (e *Evidence) begunBefore(t time.Time) uint64 {
	n := uint64(0)
	for _, s := range e.submits {
		if !s.began.After(t) {
			n++
		}
	}
	return n
}

// monotonic: a client that tells its index is never shown an older state than
// before.
func (e *Evidence) monotonic(f *findings) {
	last := map[string]Read{}
	for _, r := range e.reads {
		if before, there := last[r.Client]; r.Client != "" && there && r.Index < before.Index {
			f.addf("a client's reads never go back", "%s was shown index %d by %s, then %d by %s", r.Client, before.Index, before.Master, r.Index, r.Master)
		}
		last[r.Client] = r
	}
}

// linearizable: a read that asks for it shows all that was acknowledged, and all
// that was shown by another such read, before it began.
func (e *Evidence) linearizable(f *findings) {
	var before []fact
	for _, key := range e.keys {
		s := e.submits[key]
		for i, id := range s.Acknowledged {
			before = append(before, fact{at: s.acked[i], what: "task acknowledged to key " + key, tasks: id})
		}
	}
	var reads []Read
	for _, r := range e.reads {
		if r.Linearizable {
			reads = append(reads, r)
			before = append(before, fact{at: r.Ended, what: "linearizable read", index: r.Index, tasks: r.Counts.Submitted, done: r.Counts.Done})
		}
	}
	slices.SortStableFunc(reads, func(a, b Read) int { return a.Began.Compare(b.Began) })
	slices.SortStableFunc(before, func(a, b fact) int { return a.at.Compare(b.at) })
	var index, tasks, done fact // the highest of each, of what was before
	for _, r := range reads {
		for len(before) > 0 && before[0].at.Before(r.Began) {
			now := before[0]
			before = before[1:]
			index = higher(index, now, func(x fact) uint64 { return x.index })
			tasks = higher(tasks, now, func(x fact) uint64 { return x.tasks })
			done = higher(done, now, func(x fact) uint64 { return x.done })
		}
		var missed fact
		switch {
		case r.Counts.Submitted < tasks.tasks:
			missed = tasks
		case r.Counts.Done < done.done:
			missed = done
		case r.Index < index.index:
			missed = index
		default:
			continue
		}
		f.addf("linearizable reads", "%s showed %+v at index %d; %v before it was asked there was a %s (%d tasks, %d done, index %d)",
			r.Master, r.Counts, r.Index, r.Began.Sub(missed.at), missed.what, missed.tasks, missed.done, missed.index)
	}
}

func higher(a, b fact, by func(fact) uint64) fact {
	if by(b) > by(a) {
		return b
	}
	return a
}

// fact is what was certain at some time.
type fact struct {
	at    time.Time
	what  string
	index uint64
	tasks uint64
	done  uint64
}
