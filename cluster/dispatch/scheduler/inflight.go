package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/fsm"
	"muster/task"
)

// What one entry carries at most: the log refuses one of more than 1024 commands or
// 8 MiB as a whole.
const (
	maxEntryCommands = 1024
	maxEntryBytes    = 4 << 20
)

// proposal is a command on its way into the log, and what has to be remembered until
// its fate is known.
type proposal struct {
	fsm.Proposal

	submit *Submit // that it records; nil for other commands
	then   settler
}

// settler goes on when the fate of a command is known. err is nil if it was applied;
// then o is its outcome. It is called once, after the events of the command.
type settler interface {
	settle(c *Core, o fsm.Outcome, err error, now time.Time)
}

// inFlight are the proposals whose fate is not known. They enter the log in the order
// in which they were made; what is decided while it takes no entry goes together into
// the next.
type inFlight struct {
	c       *Core
	waiting []proposal   // not appended yet
	entries [][]proposal // appended, oldest first
}

// full tells that the next entry is.
func (f *inFlight) full() bool { return len(f.waiting) >= maxEntryCommands }

// depart takes out what the next entry carries; nil for nothing.
func (f *inFlight) depart() []fsm.Proposal {
	if len(f.waiting) == 0 {
		return nil
	}
	n := fits(f.waiting)
	entry := f.waiting[:n:n]
	if f.waiting = f.waiting[n:]; len(f.waiting) == 0 {
		f.waiting = nil
	}
	f.entries = append(f.entries, entry)
	out := make([]fsm.Proposal, n)
	for i := range entry {
		out[i] = entry[i].Proposal
		if s := entry[i].submit; s != nil {
			s.inLog = true
		}
	}
	return out
}

// fits returns how many of the proposals one entry carries: a single one may be larger
// than its bounds.
func fits(ps []proposal) int {
	size := 0
	for i, p := range ps {
		size += weight(p.Command)
		if i > 0 && (i == maxEntryCommands || size > maxEntryBytes) {
			return i
		}
	}
	return len(ps)
}

// weight is about how many bytes a command takes in the log.
func weight(c fsm.Command) int {
	const base, attempt = 256, 256
	switch x := c.(type) {
	case fsm.SubmitTask:
		n := base + len(x.Spec.Expression) + len(x.Key)
		for _, p := range x.Spec.Parameters {
			n += 16 + len(p.Name) + len(p.Value.Text)
		}
		return n
	case fsm.CompleteTask:
		return base + len(x.Result.Value.Text) + len(x.Result.Error)
	case fsm.RegisterSlave:
		return base + attempt*len(x.Begun)
	case fsm.LoseSlave:
		return base + attempt*len(x.Begun)
	case fsm.LeaveSlave:
		return base + attempt*len(x.Begun)
	case fsm.RemoveSlave:
		return base + attempt*len(x.Begun)
	default:
		return base
	}
}

// propose binds a command to this core's term and puts it on its way.
func (f *inFlight) propose(cmd fsm.Command, then settler) {
	f.waiting = append(f.waiting, proposal{fsm.Proposal{Term: f.c.cfg.Term, Command: cmd}, nil, then})
}

// proposeUnbound is propose for a command that holds whoever leads.
func (f *inFlight) proposeUnbound(cmd fsm.Command, then settler) {
	f.waiting = append(f.waiting, proposal{fsm.Proposal{Command: cmd}, nil, then})
}

// proposeSubmit is propose for the command that records a submit.
func (f *inFlight) proposeSubmit(s *Submit, cmd fsm.Command, then settler) {
	f.waiting = append(f.waiting, proposal{fsm.Proposal{Term: f.c.cfg.Term, Command: cmd}, s, then})
}

// Commit takes in what has become of an entry, in the order of the log. own tells that
// it is the oldest of those that Plan returned; then err is nil or what became of it
// instead of being committed. If its fate is unknown, what this core knows can't be
// trusted any more: it ends, and the next one starts from the state.
func (c *Core) Commit(own bool, outcomes []fsm.Outcome, err error, now time.Time) {
	if !own {
		for i := range outcomes {
			c.log.tell(outcomes[i].Events, now)
		}
		return
	}
	entry := c.log.entries[0]
	if c.log.entries = c.log.entries[1:]; len(c.log.entries) == 0 {
		c.log.entries = nil
	}
	if err == nil && len(outcomes) != len(entry) {
		err = fmt.Errorf("an entry of %d commands has %d outcomes", len(entry), len(outcomes))
	}
	c.log.settle(entry, outcomes, err, now)
}

// tell takes in what a command has changed.
func (f *inFlight) tell(events []fsm.Event, now time.Time) {
	for _, e := range events {
		f.c.event(e, now)
	}
}

// settle tells the fate of proposals to those who wait for it.
func (f *inFlight) settle(ps []proposal, outcomes []fsm.Outcome, err error, now time.Time) {
	c := f.c
	if err != nil && fateUnknown(err) && c.broken == nil {
		c.broken = fmt.Errorf("the fate of %d proposals is unknown: %w", len(ps), err)
	}
	for i, p := range ps {
		var o fsm.Outcome
		fate := err
		if err == nil {
			o = outcomes[i]
			f.tell(o.Events, now)
			if o.Err != nil {
				fate = o.Err
			}
		}
		c.about = Blame{Submit: p.submit}
		if p.submit != nil {
			p.submit.inLog = fate == nil || err != nil && fateUnknown(err)
		}
		p.then.settle(c, o, fate, now)
	}
	if c.broken != nil {
		c.stop() // what is asked from here on must not be answered by these books
	}
}

func fateUnknown(err error) bool {
	var refusal *task.Error
	return !errors.As(err, &refusal) || refusal.Code == task.CodeOutcomeUnknown
}

// Stop ends the core: nothing is planned any more, and who waits in line is sent away,
// as are those whose proposals were not appended. Plan has to be called once more for
// their answers. Entries that are under way still come in by Commit.
func (c *Core) Stop(now time.Time) {
	c.stop()
	waiting := c.log.waiting
	c.log.waiting = nil
	c.log.settle(waiting, nil, NotLeader(), now)
}

func (c *Core) stop() {
	c.stopped = true
	var inLine []*Submit
	for _, cl := range c.classes.all {
		inLine = append(inLine, cl.line.submits...)
	}
	slices.SortFunc(inLine, byArrival)
	for _, s := range inLine {
		c.desk.finish(s, Answer{}, NotLeader())
	}
	c.desk.stillLeads(c.out.Refused, NotLeader())
	c.out.Refused = nil
}

// Abandon ends the wait for the entries that are under way: their fate is unknown.
func (c *Core) Abandon(now time.Time) {
	for len(c.log.entries) > 0 {
		c.Commit(true, nil, errors.New("the log was not followed to the end"), now)
	}
}

// Underway tells how many entries are in the log whose fate is not known.
func (c *Core) Underway() int { return len(c.log.entries) }

// ending returns the tasks that commands on their way may end, by their ids. known is
// false while one is under way that ends what a slave has.
func (f *inFlight) ending() (ids []task.ID, known bool) {
	known = true
	look := func(ps []proposal) {
		for i := range ps {
			switch x := ps[i].Command.(type) {
			case fsm.CompleteTask:
				ids = append(ids, x.Attempt.ID)
			case fsm.GiveUpAttempt:
				ids = append(ids, x.Attempt.ID)
			case fsm.CancelTask:
				ids = append(ids, x.ID)
			case fsm.ExpireTask:
				ids = append(ids, x.ID)
			case fsm.RegisterSlave, fsm.LoseSlave, fsm.LeaveSlave, fsm.RemoveSlave:
				known = false
			}
		}
	}
	look(f.waiting)
	for _, entry := range f.entries {
		look(entry)
	}
	slices.Sort(ids)
	return slices.Compact(ids), known
}
