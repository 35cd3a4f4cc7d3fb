package simulation

import (
	"errors"
	"fmt"
	"time"

	"muster/fsm"
	"muster/task"
)

// journal is the replicated log with the state behind it, as all who follow it see them.
type journal struct {
	w      *world
	state  *fsm.State
	index  uint64
	term   uint64
	queue  []*record     // appended and not committed, in their order
	last   time.Duration // when the newest of them is committed
	chance chance
}

// record is an entry on its way.
type record struct {
	proposals []fsm.Proposal
	stamp     task.Millis
	flight    *flight // nil for what others wrote
	gone      bool
}

// flight is a master's own entry until it has come back.
type flight struct {
	proposals []fsm.Proposal
	outcomes  []fsm.Outcome
	done      bool
	err       error
	dropped   bool // it will never be committed
}

var (
	errLost   = errors.New("leadership was lost while the entry was committed")
	errNoLead = task.Refuse(task.CodeNotLeader, "this master does not lead")
)

// append takes an entry of the leader.
func (j *journal) append(m *master, f *flight) {
	d := j.chance.between(200*time.Microsecond, 3*time.Millisecond)
	if j.w.script.noise&slowEntries != 0 && j.chance.in(15) {
		d = j.chance.between(0, time.Second)
	}
	if j.w.noisy(refusedEntries) && j.chance.in(4) {
		refusal := task.Refuse(pick(j.chance, task.CodeOverloaded, task.CodeDiskLow, task.CodeOverloaded), "the log takes no entry now")
		j.w.after(d, func() { m.landed(f, refusal) })
		return
	}
	j.put(&record{proposals: f.proposals, stamp: j.w.clock(), flight: f}, d, func(r *record) {
		j.commit(r)
		// Who wrote it may see what it did before it hears that it is done.
		j.w.after(j.chance.between(0, time.Millisecond), func() { m.landed(f, nil) })
	})
}

// write takes an entry of somebody else.
func (j *journal) write(commands ...fsm.Command) {
	r := &record{stamp: j.w.clock()}
	for _, c := range commands {
		r.proposals = append(r.proposals, fsm.Proposal{Command: c})
	}
	j.put(r, time.Millisecond, j.commit)
}

func (j *journal) put(r *record, d time.Duration, commit func(*record)) {
	j.queue = append(j.queue, r)
	j.last = max(j.last, j.w.now+d)
	j.w.after(j.last-j.w.now, func() {
		if !r.gone {
			j.queue = j.queue[1:] // they are due in their order
			commit(r)
		}
	})
}

// commit applies an entry, and tells all who follow.
func (j *journal) commit(r *record) {
	r.gone = true
	j.index++
	outcomes := j.state.Apply(j.index, j.term, fsm.Envelope{Term: j.term, Stamp: r.stamp, Proposals: r.proposals})
	j.w.rules.applied(r.proposals, outcomes)
	if r.flight != nil {
		r.flight.outcomes = outcomes
	}
	if j.w.trace.on {
		for i, p := range r.proposals {
			j.w.sayf("entry %d of term %d: %s: %v %v", j.index, j.term, describe(p.Command), outcomes[i].Err, kindsOf(outcomes[i].Events))
		}
	}
	for _, m := range j.w.masters {
		if m.follows {
			m.applied = append(m.applied, applied{r.flight, outcomes})
			m.wakeUp()
		}
	}
}

// describe writes a command without addresses.
func describe(c fsm.Command) string {
	if s, ok := c.(fsm.SubmitTask); ok && s.Assign != nil {
		on := *s.Assign
		s.Assign = nil
		return fmt.Sprintf("%T%+v on %+v", s, s, on)
	}
	return fmt.Sprintf("%T%+v", c, c)
}

func kindsOf(events []fsm.Event) (kinds []fsm.EventKind) {
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// succeed ends a term: of what was on its way, the first entries are committed, and the
// others are not.
func (j *journal) succeed(committed int, term uint64) {
	for i, r := range j.queue {
		r.gone = true
		switch {
		case i < committed:
			j.commit(r)
		case r.flight != nil:
			r.flight.dropped = true
		}
	}
	j.queue = nil
	j.term = term
}
