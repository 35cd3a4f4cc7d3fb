package scheduler

import (
	"time"

	"github.com/tidwall/btree"

	"muster/task"
)

// slaveBook is what the leader knows of one slave: the replicated entry, the
// slots that are taken or promised, and the slave's own last word.
type slaveBook struct {
	rec      task.Slave
	held     map[task.ID]*attempt // assigned to the current incarnation
	sending  int                  // of these, how many the slave has not accepted yet
	reserved int                  // promised to proposals on their way
	// completing counts those of held whose results are on their way into the log. Their
	// slots are free: what is assigned to them stands behind the result in the log.
	completing int

	heard   task.Availability // newest word of the current incarnation
	heardAt time.Time         // zero: never
	// credit is how many more attempts that word allows: its free slots, less
	// what it did not count yet and what was promised since.
	credit int
	passed bool // since then somebody waited for a word in vain

	goneAt       time.Time // since when it is lost or has left, as far as this leader knows; zero: it is not
	seenAt       time.Time // last sign of life
	silentSince  time.Time // first unanswered request since seenAt; zero: none
	failedAt     time.Time // last unanswered request
	probedAt     time.Time // last probe that liveness wanted
	staleSince   time.Time // first request refused as stale since one was answered; zero: none
	doubts       int       // how often in a row it did not do what it had offered
	pausedUntil  time.Time // not chosen before: it is doubted
	ending       int       // commands on their way that end this incarnation
	refusedAt    time.Time // its port refused, and nothing else came of a request since; zero: no
	refusedAgain time.Time // and did so again, knockGap later or more; zero: no
	knockAt      time.Time // when to ask it on a new connection; zero: never
	knockedAt    time.Time // when that was done the last time
	unclear      int       // how often that said nothing since a connection broke

	lane lane

	due      time.Time // when liveness looks at it next
	dueIndex int       // in the heap; -1: not in it

	// Its kinds and classes, and what it adds to their counters; see refresh.
	kinds        []*kindBook
	classes      []*class
	known        bool // counted in its kinds
	alive        bool // in the classes' alive sets
	candidate    bool // in the classes' candidate sets
	draining     bool // in the classes' sets of the drained
	answering    bool // in the core's set
	countedSlots int
	countedBusy  int
}

// fleet are the slaves: what is known of each, and the registry's part in it.
type fleet struct {
	c      *Core
	slaves map[string]*slaveBook
	urls   map[string]*slaveBook // those that are there
	// answering are those that have answered the last time, by their place in the order.
	answering btree.Map[uint64, *slaveBook]
	// incarnations are those of the registry, and enlisting those whose
	// registration is under way: incarnation → name.
	incarnations, enlisting map[string]string
	nextPurge               time.Time
}

func newFleet(c *Core) fleet {
	return fleet{
		c: c, slaves: map[string]*slaveBook{}, urls: map[string]*slaveBook{},
		incarnations: map[string]string{}, enlisting: map[string]string{},
	}
}

// word is what is known of a slave's free slots without asking.
type word uint8

const (
	wordFull word = iota // no slot, or none to be had now
	wordFree             // a slot for sure
	wordAsk              // it has to be asked
)

// free is the number of slots that are neither taken nor promised.
func (s *slaveBook) free() int { return s.rec.Slots - s.taken() }

// taken is the number of slots that are taken or promised.
func (s *slaveBook) taken() int { return len(s.held) - s.completing + s.reserved }

// unsettled is the number of attempts that the slave's word may not count yet.
func (s *slaveBook) unsettled() int { return s.sending + s.reserved }

func (s *slaveBook) fresh(now time.Time, ttl time.Duration) bool {
	return !s.heardAt.IsZero() && now.Sub(s.heardAt) < ttl
}

// choosable reports whether a task may be given to the slave if it has a slot.
func (s *slaveBook) choosable(now time.Time) bool {
	return s.rec.State == task.SlaveAlive && s.ending == 0 && !now.Before(s.pausedUntil) && !s.hesitates()
}

func (fl *fleet) word(s *slaveBook, now time.Time) word {
	switch {
	case !s.choosable(now):
		return wordFull
	case fl.c.cfg.literal():
		return wordAsk
	case !s.silentSince.IsZero() || s.free() <= 0:
		return wordFull
	case !s.fresh(now, fl.c.cfg.QuestionTTL):
		return wordAsk
	case s.heard.Free <= 0 && s.lane.stopping():
		return wordAsk
	case s.heard.Free <= 0:
		return wordFull
	case s.credit > 0:
		return wordFree
	default:
		return wordAsk
	}
}

// needsQuestion tells whether the wire has to be used for those who wait for the
// slave's word. It need not when attempts that it will soon answer for are what
// holds its word back.
func (fl *fleet) needsQuestion(s *slaveBook, now time.Time) bool {
	return fl.c.cfg.literal() || !s.fresh(now, fl.c.cfg.QuestionTTL) || s.unsettled() == 0
}

// hear takes a slave's word. An older word of the same incarnation than one
// already heard only counts as a sign of life; another incarnation's is ignored.
// With a ttl, a word serves all who wait for one.
func (fl *fleet) hear(s *slaveBook, a task.Availability, now time.Time) {
	if a.Incarnation != s.rec.Incarnation {
		return
	}
	s.seenAt, s.silentSince, s.staleSince, s.failedAt, s.passed = now, time.Time{}, time.Time{}, time.Time{}, false
	if !s.refusedAt.IsZero() {
		fl.c.liveness.unrefused(s)
		s.knockAt = now.Add(knockGap) // the word may be of before its end
	}
	fl.c.out.Heard = append(fl.c.out.Heard, s.rec.Name)
	if s.heardAt.IsZero() || a.Counter >= s.heard.Counter {
		s.heard, s.heardAt = a, now
		s.credit = a.Free - s.unsettled()
		if a.Free > 0 {
			fl.c.lines.unpark(s)
		}
		if !fl.c.cfg.literal() {
			fl.c.lines.answerAll(s)
		}
	}
	fl.refresh(s, now)
}

// reserve promises a slot.
func (fl *fleet) reserve(s *slaveBook, now time.Time) {
	s.reserved++
	s.credit--
	fl.refresh(s, now)
}

// unreserve takes a promise back, because it was kept or refused.
func (fl *fleet) unreserve(s *slaveBook, now time.Time) {
	s.reserved--
	fl.c.lines.unpark(s)
	fl.c.outbox.touch(s)
	fl.refresh(s, now)
}

// refresh brings the classes' sets and counters in line with the slave, and sets
// when liveness looks at it next.
func (fl *fleet) refresh(s *slaveBook, now time.Time) {
	alive, known := s.rec.State == task.SlaveAlive, s.rec.State != task.SlaveLeft
	full := s.fresh(now, fl.c.cfg.QuestionTTL) && s.heard.Free <= 0 && !s.lane.stopping()
	candidate := alive && s.free() > 0 && s.choosable(now) && s.silentSince.IsZero() && !full
	answering := s.rec.State == s.rec.Present() && s.ending == 0 && s.silentSince.IsZero()
	if answering != s.answering {
		member(&fl.answering, s, answering)
		s.answering = answering
	}
	draining := s.rec.State == task.SlaveDraining
	slots, busy := 0, 0
	if alive {
		slots, busy = s.rec.Slots, min(s.rec.Slots, s.taken())
	}
	if known != s.known {
		for _, kb := range s.kinds {
			kb.count(s.declares(kb), step(known))
		}
	}
	for _, cl := range s.classes {
		cl.slots += slots - s.countedSlots
		cl.busy += busy - s.countedBusy
		if alive != s.alive {
			member(&cl.alive, s, alive)
		}
		if candidate != s.candidate {
			member(&cl.candidates, s, candidate)
		}
		if draining != s.draining {
			member(&cl.draining, s, draining)
		}
	}
	if candidate && !s.candidate {
		fl.c.lines.unpark(s) // else a new task would find it before those that wait look again
	}
	s.known, s.alive, s.candidate, s.draining, s.countedSlots, s.countedBusy = known, alive, candidate, draining, slots, busy
	fl.c.liveness.schedule(s, now)
}

func step(up bool) int {
	if up {
		return 1
	}
	return -1
}

func member(set *btree.Map[uint64, *slaveBook], s *slaveBook, in bool) {
	if in {
		set.Set(s.rec.Order, s)
	} else {
		set.Delete(s.rec.Order)
	}
}
