package scheduler

import (
	"slices"
	"time"

	"muster/fsm"
	"muster/task"
)

const (
	// purgeLook is how often the leader looks for slaves to purge, at least.
	purgeLook = time.Minute
	// purgeStep bounds what one look purges.
	purgeStep = 100
)

// purge removes slaves from the registry that have been lost or have left for
// SlaveRetention: machines that come under a new name each time would otherwise fill
// it for ever. How long one has been gone is this leader's own measure, by its
// monotonic clock: a new leader counts anew, so that none is removed early.
//
// Proposals enter the log in their order, so a slave that comes back registers
// behind its removal, as a new one, or is not removed.
func (fl *fleet) purge(now time.Time) {
	if now.Before(fl.nextPurge) {
		return
	}
	fl.nextPurge = now.Add(min(purgeLook, fl.c.cfg.SlaveRetention))
	var gone []string
	for name, s := range fl.slaves {
		if !s.goneAt.IsZero() && now.Sub(s.goneAt) >= fl.c.cfg.SlaveRetention && s.ending == 0 && !fl.comesBack(name) {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	for _, name := range gone[:min(len(gone), purgeStep)] {
		fl.c.out.note(Info, "purging a slave that has been gone for long", "slave", name, "retention", fl.c.cfg.SlaveRetention)
		fl.c.log.propose(fsm.RemoveSlave{Slave: name}, purging{name})
	}
}

// purging is the removal of a slave that is gone, on its way into the log.
type purging struct{ name string }

func (f purging) settle(c *Core, _ fsm.Outcome, err error, _ time.Time) {
	if err != nil {
		c.out.note(Debug, "a slave was not purged", "slave", f.name, "error", err)
	}
}

// comesBack reports whether a registration of a slave is on its way.
func (fl *fleet) comesBack(name string) bool {
	for _, registering := range fl.enlisting {
		if registering == name {
			return true
		}
	}
	return false
}

// noteGone notes since when a slave is gone.
func (s *slaveBook) noteGone(now time.Time) {
	switch {
	case s.rec.State != task.SlaveLost && s.rec.State != task.SlaveLeft:
		s.goneAt = time.Time{}
	case s.goneAt.IsZero():
		s.goneAt = now
	}
}
