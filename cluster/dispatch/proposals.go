package dispatch

import (
	"muster/fsm"
)

const (
	// What one call to the log carries at most: it refuses calls of more than 1024
	// commands or 8 MiB as a whole.
	maxCallCommands = 1024
	maxCallBytes    = 4 << 20
	// maxCalls is how many calls are on their way into the log at once: enough that
	// it never waits for the next, and few enough for its queue to hold them all.
	maxCalls = 4
)

// proposals are what is on its way into the log. They enter it in the order in
// which the core made them; what comes while calls are under way goes together
// into the next.
type proposals struct {
	waiting []proposal // not handed to the log yet
	calls   int        // under way
}

// next takes out what goes into the next call; nil while enough are under way, or
// when nothing waits.
func (p *proposals) next() []proposal {
	if p.calls == maxCalls || len(p.waiting) == 0 {
		return nil
	}
	n := fits(p.waiting)
	call := p.waiting[:n:n]
	p.waiting = p.waiting[n:]
	if len(p.waiting) == 0 {
		p.waiting = nil
	}
	p.calls++
	return call
}

// fits returns how many of the proposals one call carries: a single one may be
// larger than its bounds.
func fits(ps []proposal) int {
	size := 0
	for i, p := range ps {
		size += weight(p.Command)
		if i > 0 && (i == maxCallCommands || size > maxCallBytes) {
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
