package scheduler

import (
	"slices"
	"time"

	"github.com/tidwall/btree"

	"muster/task"
)

// seeker looks for a slave: it asks one after the other, in registration order.
type seeker struct {
	class   *class
	after   uint64     // order of the last slave that it was done with
	at      *slaveBook // whose word it waits for
	since   time.Time  // waiting for it since
	waited  *slaveBook // whose word it last waited for
	offered *slaveBook // who answered its own question with a free slot
	yields  bool       // to pending tasks of other classes that look for a slave
	again   *slaveBook // who was asked twice, because a newer request overtook the first question
	tell    *dialogue  // what was asked and answered, if somebody wants to know
}

// verdict is what a seeker came to.
type verdict uint8

const (
	seeking  verdict = iota // waits for a slave's word
	found                   // has a slot reserved
	nowhere                 // no slave has a free slot
	yielding                // a pending task may have that slot, and is not done asking
)

// seek takes a seeker to the next slave that has a slot for it, or has to be
// asked.
func (ls *lines) seek(k *seeker, now time.Time) (*slaveBook, verdict) {
	if s := k.offered; s != nil {
		if k.yields && s.wanted() {
			return nil, yielding
		}
		k.offered = nil
		if first := s.earliest(k); first != k {
			ls.release(s, first)
			first.offered, ls.woken = s, true
			ls.await(k, s, now)
			k.since = now
			return nil, seeking
		}
		if s.choosable(now) && s.free() > 0 && s.credit > 0 && s.silentSince.IsZero() {
			ls.c.fleet.reserve(s, now)
			k.tell.add(s, task.AnswerAvailable, task.FromSlave)
			return s, found
		}
		k.after = s.rec.Order // promised to another task, or silent since
	}
	set := &k.class.candidates
	if ls.c.cfg.literal() {
		set = &k.class.alive
	}
	for {
		s := nextAfter(set, k.after)
		if s == nil {
			return nil, nowhere
		}
		switch ls.c.fleet.word(s, now) {
		case wordFree:
			if k.yields && s.wanted() {
				return nil, yielding
			}
			ls.c.fleet.reserve(s, now)
			k.tell.add(s, task.AnswerAvailable, k.source(s))
			return s, found
		case wordAsk:
			ls.await(k, s, now)
			return nil, seeking
		case wordFull:
			k.after = s.rec.Order
		}
	}
}

// wanted tells whether a pending task that the slave could run is looking for a
// slave.
func (s *slaveBook) wanted() bool {
	return slices.ContainsFunc(s.classes, func(cl *class) bool { return cl.line.head != nil })
}

// await has a seeker wait for the slave's word.
func (ls *lines) await(k *seeker, s *slaveBook, now time.Time) {
	if k.waited != s {
		k.since = now
	}
	k.at, k.waited = s, s
	s.lane.askers = append(s.lane.askers, k)
	ls.c.outbox.touch(s)
}

// source tells whether what is known of the slave came as the answer to this
// seeker's question.
func (k *seeker) source(s *slaveBook) string {
	if k.waited == s {
		return task.FromSlave
	}
	return task.FromBooks
}

// nextAfter returns the first slave of the set behind the place in the order.
func nextAfter(set *btree.Map[uint64, *slaveBook], after uint64) *slaveBook {
	var found *slaveBook
	set.Ascend(after+1, func(_ uint64, s *slaveBook) bool {
		found = s
		return false
	})
	return found
}

// answerAll lets all go on who waited for the slave's word.
func (ls *lines) answerAll(s *slaveBook) {
	if !s.heard.Available() {
		for _, k := range s.lane.askers {
			k.tell.add(s, s.heard.Answer(), task.FromSlave)
		}
	}
	ls.release(s, nil)
}

// resolve lets the one go on that asked the slave. With a ttl it went on when the
// word was heard, with all others who waited for it.
func (ls *lines) resolve(s *slaveBook, r *SlaveRequest) {
	k := r.asker
	if k == nil || k.at != s {
		return
	}
	ls.release(s, k)
	if s.heard.Available() {
		k.offered = s
		return
	}
	k.tell.add(s, task.AnswerNotAvailable, task.FromSlave)
	k.after = s.rec.Order
}

// earliest returns who gets the slot that the slave offered to k: of the pending
// tasks that wait for its word, the one whose turn is first. The others ask again.
func (s *slaveBook) earliest(k *seeker) *seeker {
	if k.yields {
		return k // a submit, which yields to all of them
	}
	least, _ := k.class.line.pending.first()
	for _, cl := range s.classes {
		if h := cl.line.head; h != nil && h.at == s {
			if t, ok := cl.line.pending.first(); ok && t.before(least) {
				k, least = h, t
			}
		}
	}
	return k
}

// resolveSilent lets those go on to the next slave who waited for one that did
// not answer.
func (ls *lines) resolveSilent(s *slaveBook, r *SlaveRequest) {
	passed := s.lane.askers
	if ls.c.cfg.literal() {
		if r.asker == nil || r.asker.at != s {
			return
		}
		passed = []*seeker{r.asker}
	}
	for _, k := range slices.Clone(passed) { // passBy takes them out of the lane, one by one
		ls.passBy(k)
	}
}

// askAgain has the one who asked the slave ask once more, and tells whether it
// does: its question was overtaken.
func (ls *lines) askAgain(s *slaveBook, r *SlaveRequest) bool {
	k := r.asker
	if k == nil || k.at != s || k.again == s {
		return false
	}
	k.again = s
	return true // it is still in the lane
}

// passBy has a seeker stop waiting for a slave and count it as silent.
func (ls *lines) passBy(k *seeker) {
	s := k.at
	ls.release(s, k)
	s.passed = true
	k.tell.add(s, "", task.FromSlave)
	k.after = s.rec.Order
}

// release has one seeker, or all if k is nil, wait no longer for the slave.
func (ls *lines) release(s *slaveBook, k *seeker) {
	s.lane.askers = slices.DeleteFunc(s.lane.askers, func(o *seeker) bool {
		if k != nil && o != k {
			return false
		}
		o.at = nil
		return true
	})
}

// askGrace is how much longer than one question a seeker waits for a slave: the
// question may have to wait for another request to the same slave first.
const askGrace = 50 * time.Millisecond

// passSilent has the heads of the lines stop waiting when a slave's time is up.
func (ls *lines) passSilent(now time.Time) {
	for _, cl := range ls.c.classes.all {
		for _, k := range cl.line.heads() {
			if k.at != nil && !now.Before(k.since.Add(ls.c.cfg.QuestionTimeout+askGrace)) {
				ls.passBy(k)
			}
		}
	}
}
