package simulation

import (
	"slices"
	"time"

	"muster/fsm"
)

// loseLeader ends the leader's term in one of several ways, and has another elected.
func (w *world) loseLeader(c chance) {
	m := w.leader
	if m == nil {
		return
	}
	w.leader = nil
	switch gone := c.between(0, 3*time.Second); c.IntN(4) {
	case 0:
		w.sayf("leader %d crashes", m.name)
		m.crash()
	case 1:
		w.sayf("leader %d is cut off, and goes on for %v", m.name, gone)
		m.frozen, m.follows = m.view(), false
		w.after(gone, m.lose)
	case 2:
		w.sayf("leader %d hears in %v that it has lost", m.name, gone)
		w.after(gone, m.lose)
	default:
		w.sayf("leader %d has lost", m.name)
		w.after(c.between(0, 5*time.Millisecond), m.lose)
	}
	w.elect(c, c.between(0, pick(c, 20*time.Millisecond, 2*time.Second)))
}

// dropLeader has another elected when a leader can't go on.
func (w *world) dropLeader(m *master) {
	if w.leader != m {
		return
	}
	w.leader = nil
	w.after(w.loops.between(0, 10*time.Millisecond), m.lose)
	w.elect(w.loops, w.loops.between(0, 100*time.Millisecond))
}

// elect has the next leader begin. It has all that earlier ones committed, and perhaps
// some that they did not know to be.
func (w *world) elect(c chance, in time.Duration) {
	w.after(in, func() {
		j := w.journal
		j.succeed(c.IntN(len(j.queue)+1), j.term+1+uint64(c.IntN(2)))
		w.begin(new(uint64))
		if w.noisy(foreignWrites) {
			j.write(fsm.PutMaster{ID: "m", APIURL: "http://m", Commands: uint32(fsm.HighestNumber)})
		}
	})
}

func (w *world) begin(sequence *uint64) {
	w.elections++
	m := newMaster(w, w.elections, w.journal.term, sequence)
	w.sayf("master %d leads in term %d", m.name, m.term)
	w.leader, w.masters = m, append(w.masters, m)
}

// restart ends the leader's dispatcher and begins another one in the same term, when all
// that is on its way has landed.
func (w *world) restart(c chance) {
	m := w.leader
	if m == nil {
		return
	}
	w.sayf("the dispatcher of master %d starts anew", m.name)
	w.leader = nil
	m.stop()
	if c.in(50) && !m.ended {
		m.put(func(now time.Time) {
			m.flights = nil
			m.core.Abandon(now)
		})
	}
	term := w.journal.term
	var again func()
	again = func() {
		if len(w.journal.queue) > 0 || w.journal.term != term {
			w.after(time.Millisecond, again)
			return
		}
		w.begin(m.sequence)
	}
	w.after(time.Millisecond, again)
}

// forget takes a master out that has ended.
func (w *world) forget(m *master) {
	w.masters = slices.DeleteFunc(w.masters, func(o *master) bool { return o == m })
}

// anyLeader returns who is taken for the leader: now and then by mistake one that was.
func (w *world) anyLeader(c chance) *master {
	if len(w.masters) > 0 && (w.leader == nil || c.in(10)) {
		return w.masters[c.IntN(len(w.masters))]
	}
	return w.leader
}
