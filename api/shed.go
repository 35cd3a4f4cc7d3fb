package api

import (
	"math"
	"sync"
	"time"
)

// Clients may submit more than a leader can take, and come again without a pause when
// they are refused: two thousand of them have one do nothing but refuse, until Raft
// waits behind the refusals and leadership is lost. So submits have a share of a
// master, which becomes smaller while its loops run late, and answers that refuse them
// have a pace; see docs/adr/0019-load-is-shed-before-leadership.md.
const (
	// mostSubmits is how many submits find out at once what becomes of them.
	mostSubmits = 1024
	// mostRefusals is how many refusals of submits a second are answered as soon as
	// they can be.
	mostRefusals = 3000
	// refusalQueue is how long a submit waits for its turn among those.
	refusalQueue = 20 * time.Millisecond
	// soonest is when a client that was refused may come again, and latest bounds what
	// it is told when there are many.
	soonest = time.Second
	latest  = 10 * time.Second
	// mostEarly is how many of those that come earlier are answered in a second. It is
	// much less than mostRefusals, so that most refusals take no longer than a turn.
	mostEarly = 750
	// mostHeld is how many of them wait at once: each keeps a connection and a goroutine,
	// also for some seconds after its client has gone. Beyond, they are told at once.
	mostHeld = 4096
)

// share is how much of its bounds submits may have: additive increase, multiplicative
// decrease (Chiu and Jain, 1989), as TCP has for what it may send.
type share struct {
	late func() bool // the loops of this master run late; nil: never

	of      float64 // from leastShare to 1
	stepped time.Time
}

const (
	shareStep  = 100 * time.Millisecond
	shareGrows = 1. / 32 // in a step
	shareFalls = 0.7     // in a step
	leastShare = 1. / 16
	// leastPace is the share of the refusals' pace that they keep: a slot that becomes
	// free should not have to look for a task, though others keep the loops late.
	leastPace = 1. / 4
)

// now returns the share. It is called with every submit, so it needs no goroutine.
func (s *share) now(now time.Time) float64 {
	steps := now.Sub(s.stepped) / shareStep
	if steps < 1 {
		return s.of
	}
	s.stepped = now
	if s.late != nil && s.late() {
		s.of = max(leastShare, s.of*shareFalls)
	} else {
		s.of = min(1, s.of+float64(steps)*shareGrows)
	}
	return s.of
}

// shedder decides which submits are taken in, and when the others hear so.
type shedder struct {
	mu      sync.Mutex
	share   share     // under mu
	inside  int       // submits that find out what becomes of them; under mu
	refused bool      // the last that did was refused; under mu
	next    time.Time // when the turn of the next refusal is; under mu
	early   int       // submits that wait because they came too early; under mu
}

func newShedder(late func() bool) *shedder {
	return &shedder{share: share{late: late, of: 1}}
}

// queue puts a submit into the queue of those that will probably be refused, and
// returns how long it waits there. That is the virtual scheduling algorithm (ITU-T
// I.371): nothing is queued but the time of the next turn. While submits are accepted
// nobody waits. A submit for which the queue is too long gets no turn.
func (s *shedder) queue(now time.Time) (wait time.Duration, turn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.share.now(now)
	if !s.refused {
		return 0, true
	}
	at := now
	if s.next.After(now) {
		at = s.next
	}
	if at.Sub(now) > refusalQueue {
		return 0, false
	}
	s.next = at.Add(time.Duration(float64(time.Second) / (mostRefusals * max(leastPace, of))))
	return at.Sub(now), true
}

// decided notes what became of a submit.
func (s *shedder) decided(refused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = refused
}

// full reports whether there is no room for a submit.
func (s *shedder) full(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.isFull(now)
}

// isFull is full for who holds mu.
func (s *shedder) isFull(now time.Time) bool {
	return s.inside >= int(mostSubmits*s.share.now(now))
}

// enter takes in a submit, if there is room by now. Then leave is called when it is
// known what becomes of it.
func (s *shedder) enter(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isFull(now) {
		return false
	}
	s.inside++
	return true
}

func (s *shedder) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside--
}

// comeAgain is when a client that is refused now should come again.
func (s *shedder) comeAgain() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds := math.Ceil(float64(s.early) / (mostEarly * s.share.of))
	return min(latest, max(soonest, time.Duration(seconds)*time.Second))
}

// wait counts a submit that waits because it came too early, until over is called. It
// reports false if mostHeld wait already.
func (s *shedder) wait() (over func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.early >= mostHeld {
		return nil, false
	}
	s.early++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.early--
	}, true
}

// figures are for the metrics.
func (s *shedder) figures() (of float64, early int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.share.now(time.Now()), s.early
}
