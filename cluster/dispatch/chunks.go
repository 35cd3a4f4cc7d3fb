package dispatch

import (
	"iter"

	"muster/fsm"
)

// What one call to the log carries at most: it refuses calls of more than 1024
// commands or 8 MiB as a whole.
const (
	maxCallCommands = 1024
	maxCallBytes    = 4 << 20
)

// chunks splits proposals into calls to the log. A single one may be larger.
func chunks(ps []proposal) iter.Seq[[]proposal] {
	return func(yield func([]proposal) bool) {
		start, size := 0, 0
		for i, p := range ps {
			own := weight(p.Command)
			if i > start && (i-start == maxCallCommands || size+own > maxCallBytes) {
				if !yield(ps[start:i]) {
					return
				}
				start, size = i, 0
			}
			size += own
		}
		if start < len(ps) {
			yield(ps[start:])
		}
	}
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
