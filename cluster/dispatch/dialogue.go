package dispatch

import (
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

// tell returns the whole dialogue. Slaves that the books ruled out without a
// look, up to the chosen one (nil: all), are part of it.
func (d *dialogue) tell(cl *class, chosen *slaveBook) []task.Asked {
	if d == nil {
		return nil
	}
	cl.alive.Scan(func(order uint64, s *slaveBook) bool {
		if _, ok := d.heard.Get(order); !ok {
			d.add(s, task.AnswerNotAvailable, task.FromBooks)
		}
		return s != chosen
	})
	return d.heard.Values()
}
