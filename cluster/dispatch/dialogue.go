package dispatch

import (
	"github.com/tidwall/btree"

	"muster/task"
)

// Asked is one line of the dialogue that found a slave.
type Asked struct {
	Slave  string
	Answer string // task.AnswerAvailable, task.AnswerNotAvailable, or "" for silence
	From   string // FromSlave or FromBooks
}

// Where an answer came from: over the wire for this very task, or from what the
// leader knew.
const (
	FromSlave = "slave"
	FromBooks = "books"
)

// dialogue collects what a submit heard, by the slaves' place in the order. A
// nil dialogue collects nothing.
type dialogue struct {
	heard btree.Map[uint64, Asked]
}

func (d *dialogue) add(s *slaveBook, answer, from string) {
	if d != nil {
		d.heard.Set(s.rec.Order, Asked{Slave: s.rec.Name, Answer: answer, From: from})
	}
}

// tell returns the whole dialogue. Slaves that the books ruled out without a
// look, up to the chosen one (nil: all), are part of it.
func (d *dialogue) tell(cl *class, chosen *slaveBook) []Asked {
	if d == nil {
		return nil
	}
	cl.alive.Scan(func(order uint64, s *slaveBook) bool {
		if _, ok := d.heard.Get(order); !ok {
			d.add(s, task.AnswerNotAvailable, FromBooks)
		}
		return s != chosen
	})
	return d.heard.Values()
}
