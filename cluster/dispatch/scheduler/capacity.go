package scheduler

import (
	"fmt"
	"math"
	"strings"
	"time"

	"muster/task"
)

// fullCapacity says honestly that no slave has a free slot, and, when some are free,
// why they are not given.
func (d *desk) fullCapacity(s *Submit, now time.Time) *task.Error {
	cl := s.seeker.class
	capacity := cl.capacity()
	if capacity.Slaves == 0 && !s.plain() {
		return cl.noSlaveFor(&s.Spec) // the last one is gone
	}
	var message string
	if drained := cl.draining.Len(); capacity.Slaves == 0 && drained > 0 {
		message = "full capacity: " + drainedSlaves(drained) + "; undrain or start one, then try again"
	} else if reasons := d.withheld(cl, now); reasons != "" {
		message = fmt.Sprintf("full capacity: no slave has a free slot for it (%d of %d busy): %s; try again in a moment", capacity.Busy, capacity.Slots, reasons)
	} else if capacity.Slaves == 0 {
		message = "full capacity: no slave is registered and alive; start one, then try again"
	} else {
		message = fmt.Sprintf("full capacity: no slave has a free slot (%d of %d busy); try again in a moment", capacity.Busy, capacity.Slots)
	}
	err := task.Refuse(task.CodeFullCapacity, message)
	err.Capacity = capacity
	return err
}

// explained adds to a refusal who was asked, if the client wants to know it.
func (s *Submit) explained(refusal *task.Error, now time.Time) *task.Error {
	if s.seeker.class != nil {
		refusal.Asked = s.seeker.tell.upTo(math.MaxUint64, s.seeker.class, now)
	}
	return refusal
}

// Why a slave that has a free slot is not given a task.
const (
	silent = iota
	unreliable
	leaving
	unavailable
	unheard
	promised
	draining
	reasons
)

// maxWithheld bounds how many slaves are looked at for the words of one refusal.
const maxWithheld = 1000

// withheld tells in words how many slaves of a class have free slots that are not given,
// and why; empty if there are none. While all slots are busy it looks at no slave.
func (d *desk) withheld(cl *class, now time.Time) string {
	var count [reasons]int
	count[draining] = cl.draining.Len()
	more := ""
	if cl.busy < cl.slots {
		seen := 0
		cl.alive.Scan(func(_ uint64, s *slaveBook) bool {
			if seen++; seen > maxWithheld {
				more = fmt.Sprintf(" (of the first %d)", maxWithheld)
				return false
			}
			if s.free() > 0 {
				count[s.withheldAs(now)]++
			}
			return true
		})
	}
	var parts []string
	for why, n := range count {
		switch n {
		case 0:
		case 1:
			parts = append(parts, "1 slave "+withheldWords(why)[0])
		default:
			parts = append(parts, fmt.Sprintf("%d slaves %s", n, withheldWords(why)[1]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + more
}

// withheldWords tells a reason of one slave, and of several.
func withheldWords(why int) [2]string {
	return [reasons][2]string{
		silent:      {"is silent", "are silent"},
		unreliable:  {"has not done what it said lately", "have not done what they said lately"},
		leaving:     {"is about to go", "are about to go"},
		unavailable: {"says that it is not available", "say that they are not available"},
		unheard:     {"did not answer in time", "did not answer in time"},
		promised:    {"had its free slots promised to other tasks", "had their free slots promised to other tasks"},
		draining:    {"is draining", "are draining"},
	}[why]
}

// withheldAs tells why a slave that has a free slot, or is drained, is not given a task.
func (s *slaveBook) withheldAs(now time.Time) int {
	switch {
	case s.draining:
		return draining
	case !s.silentSince.IsZero():
		return silent
	case s.ending > 0:
		return leaving
	case !s.choosable(now):
		return unreliable
	case !s.wordHolds():
		return unheard
	case s.heard.Free <= 0:
		return unavailable
	default:
		return promised
	}
}
