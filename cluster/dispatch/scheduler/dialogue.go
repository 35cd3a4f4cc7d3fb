package scheduler

import (
	"time"

	"github.com/tidwall/btree"

	"muster/task"
)

// dialogue collects what a submit heard, by the slaves' place in the order. A
// nil dialogue collects nothing.
type dialogue struct {
	heard btree.Map[uint64, task.Asked]
}

func (d *dialogue) add(s *slaveBook, answer, from string) {
	if d != nil {
		d.heard.Set(s.rec.Order, task.Asked{Slave: s.rec.Name, Answer: answer, From: from})
	}
}

// upTo returns the dialogue with the class's slaves up to a place in the order.
// Those that nobody had to ask are part of it, with what the books hold of them.
func (d *dialogue) upTo(last uint64, cl *class, now time.Time) []task.Asked {
	if d == nil {
		return nil
	}
	look := func(order uint64, s *slaveBook) bool {
		if order > last {
			return false
		}
		if _, ok := d.heard.Get(order); !ok {
			d.look(s, now)
		}
		return true
	}
	cl.alive.Scan(look)
	cl.draining.Scan(look)
	return d.heard.Values()
}

// look adds a slave that was not asked, with what the books hold of it.
func (d *dialogue) look(s *slaveBook, now time.Time) {
	a := task.Asked{Slave: s.rec.Name, From: task.FromBooks}
	if !s.draining {
		a.Answer = s.presumed(now)
	}
	if a.Answer == "" {
		a.Why = withheldWords(s.withheldAs(now))[0]
	}
	d.heard.Set(s.rec.Order, a)
}

// presumed returns what the slave would answer if it were asked, as far as the
// books tell: that it is not available, if its slots are taken or its last
// word says so. Else it is not chosen for a reason of the leader's own (it is silent,
// doubted, about to go), and is not quoted.
func (s *slaveBook) presumed(now time.Time) string {
	if s.free() <= 0 || s.choosable(now) && s.wordHolds() && s.credit <= 0 {
		return task.AnswerNotAvailable
	}
	return ""
}

// wordHolds tells whether the slave's last word may be taken for what it would say
// now: it has left no question without an answer since, and if it said that it has no
// free slot, it is not being told to stop something.
func (s *slaveBook) wordHolds() bool {
	return !s.heardAt.IsZero() && s.silentSince.IsZero() && !s.passed && (s.heard.Free > 0 || !s.lane.stopping())
}
