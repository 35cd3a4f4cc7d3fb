package scheduler

import (
	"errors"
	"time"

	"muster/task"
)

// lane is the way to one slave: one request at a time, so that the slave sees
// stamps rise. While a request is under way, what accumulates goes in the next.
type lane struct {
	busy    bool
	sends   bool       // the request under way is a send
	stops   bool       // it is a cancel
	queue   []*attempt // to be sent
	retryAt time.Time  // no send before: the last one failed
	backoff time.Duration
	cancels []task.Attempt  // held by the slave, but not current
	askers  []*seeker       // who waits for the slave's word
	probe   bool            // liveness wants a word
	knock   bool            // a word is wanted that comes on a new connection
	witness bool            // it is wanted for another slave's sake
	touched bool            // in core.touched
	queued  [urgencies]bool // in the pacer's queues
	// after is what waits for the send under way to come back.
	after []deferred
}

// RequestKind tells what a request asks of a slave.
type RequestKind uint8

// The kinds of requests.
const (
	RequestAvailable RequestKind = iota // are you available?
	RequestSend                         // take these attempts
	RequestHeld                         // which attempts have you?
	RequestCancel                       // stop this attempt
	RequestKnock                        // are you available? asked on a new connection
)

// SlaveRequest is one call to a slave.
type SlaveRequest struct {
	Kind        RequestKind
	URL         string
	Incarnation string
	Timeout     time.Duration
	Orders      []task.Order // of RequestSend
	Cancel      task.Attempt // of RequestCancel

	// What the core has to remember until the answer comes.
	slave   *slaveBook
	heard   uint64 // the counter of the slave's word when this was sent
	urgency urgency
	began   time.Time
	batch   []*attempt
	first   []bool // per attempt of batch: no earlier request carried it
	asker   *seeker
}

// SlaveResponse is what came of a request.
type SlaveResponse struct {
	Availability task.Availability
	Receipts     []task.Receipt // of RequestSend, in the order of its Orders
	Held         []task.Held    // of RequestHeld
	Err          error          // as dispatch.Sender has them
}

// stopping tells whether the slave is being told to stop something. Until it has
// answered, that it has no free slot may not be true any more.
func (l *lane) stopping() bool { return l.stops || len(l.cancels) > 0 }

// outbox is what is to be asked of slaves, and what came of it.
type outbox struct {
	c       *Core
	pacer   pacer
	touched []*slaveBook // lanes that may have something to do
}

// touch notes that a slave's lane may have something to do.
func (ob *outbox) touch(s *slaveBook) {
	if !s.lane.touched {
		s.lane.touched = true
		ob.touched = append(ob.touched, s)
	}
}

// fillLanes gives idle lanes that have something to do their next requests, as many
// as may be under way.
func (ob *outbox) fillLanes(now time.Time) {
	ob.lineUpTouched(now)
	for {
		s, u := ob.pacer.next(now)
		if s == nil {
			return
		}
		if ob.urgency(s, now) != u {
			ob.lineUp(s, now) // it has changed while the slave was in line
			continue
		}
		if ob.fillLane(s, now) {
			ob.c.out.Requests[len(ob.c.out.Requests)-1].urgency = u
			ob.pacer.began(u, now)
		}
	}
}

// fillLane chooses: attempts first, as their answer is a word, too; then
// cancels, questions, a knock, and a probe. It reports whether there was anything to
// ask.
func (ob *outbox) fillLane(s *slaveBook, now time.Time) bool {
	l := &s.lane
	if l.busy || !s.askable() {
		return false
	}
	r := SlaveRequest{slave: s, URL: s.rec.URL, Incarnation: s.rec.Incarnation, Timeout: ob.c.cfg.SendTimeout, began: now}
	switch {
	case len(l.queue) > 0 && !now.Before(l.retryAt) && ob.takeBatch(s, &r):
		r.Kind = RequestSend
	case len(l.cancels) > 0:
		r.Kind, r.Cancel = RequestCancel, l.cancels[0]
		l.cancels = l.cancels[1:]
	case len(l.askers) > 0 && ob.c.fleet.needsQuestion(s, now):
		r.Kind, r.asker, r.Timeout = RequestAvailable, l.askers[0], ob.c.cfg.QuestionTimeout
	case l.knock:
		l.knock, l.witness, s.knockedAt = false, false, now
		r.Kind = RequestKnock
	case l.probe:
		l.probe = false
		r.Kind = RequestHeld
		if !s.busy() && !s.heardAt.IsZero() {
			r.Kind = RequestAvailable
		}
	default:
		return false
	}
	l.busy, l.sends, l.stops = true, r.Kind == RequestSend, r.Kind == RequestCancel
	r.heard = s.heard.Counter
	ob.c.out.Requests = append(ob.c.out.Requests, r)
	return true
}

// takeBatch moves queued attempts into a send.
func (ob *outbox) takeBatch(s *slaveBook, r *SlaveRequest) bool {
	l := &s.lane
	size, taken := 0, 0
	for _, a := range l.queue {
		if len(r.batch) == maxSendOrders || size > maxSendBytes {
			break
		}
		taken++
		if a.dropped {
			continue
		}
		size += a.listed
		a.phase = phaseSending
		r.batch = append(r.batch, a)
		r.first = append(r.first, !a.begun)
		r.Orders = append(r.Orders, a.order)
		a.begun = true
	}
	l.queue = l.queue[taken:]
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return len(r.batch) > 0
}

// answered takes in what came of a request.
func (ob *outbox) answered(r *SlaveRequest, resp SlaveResponse, now time.Time) {
	s := r.slave
	ob.pacer.ended(r.urgency)
	s.lane.busy, s.lane.sends, s.lane.stops = false, false, false
	ob.touch(s)
	defer ob.laneSettled(s)
	if ob.c.fleet.slaves[s.rec.Name] != s || s.rec.Incarnation != r.Incarnation {
		ob.c.lines.release(s, nil) // meant for an incarnation that is gone, with its attempts
		return
	}
	if resp.Err == nil && resp.Availability.Incarnation != r.Incarnation {
		resp.Err = task.ErrWrongIncarnation
	}
	if resp.Err != nil {
		ob.unanswered(r, resp.Err, now)
		return
	}
	if r.Kind == RequestSend {
		s.lane.backoff, s.lane.retryAt = 0, time.Time{}
		ob.c.attempts.received(s, r.batch, resp.Receipts, now)
	}
	if resp.Availability.Counter < r.heard {
		// Its counter only rises: what was heard before this was asked was not
		// the slave's word, but somebody's in its name.
		s.heardAt = time.Time{}
	}
	ob.c.fleet.hear(s, resp.Availability, now)
	if r.Kind == RequestKnock {
		ob.c.liveness.witness(r, now)
	}
	if r.Kind == RequestCancel && resp.Availability.Free <= 0 {
		s.heardAt = time.Time{} // it may free the slot any moment now: the next one asks
		ob.c.fleet.refresh(s, now)
	}
	if s.rec.State == task.SlaveLost {
		ob.c.liveness.revive(s, resp.Availability, now)
		return
	}
	if r.Kind == RequestHeld {
		ob.compareHeld(s, r, resp.Held, now)
	}
	ob.c.lines.resolve(s, r)
}

// unanswered takes in that a request brought no answer.
func (ob *outbox) unanswered(r *SlaveRequest, err error, now time.Time) {
	s := r.slave
	if s.rec.State == task.SlaveLost {
		ob.c.fleet.refresh(s, now) // nobody expected an answer
		return
	}
	if r.Kind == RequestSend {
		s.lane.backoff = min(max(2*s.lane.backoff, resendFirst), resendMost)
		s.lane.retryAt = now.Add(s.lane.backoff)
		ob.c.attempts.unsent(s, r.batch, r.first, err, now)
	}
	ob.c.liveness.noteRefusal(s, r, err, now)
	switch {
	case errors.Is(err, task.ErrWrongIncarnation):
		ob.c.liveness.lose(s, "slave "+s.rec.Name+" restarted", now)
	case errors.Is(err, task.ErrWrongCluster):
		ob.c.liveness.lose(s, "what answers at "+s.rec.URL+" works for another cluster", now)
	case errors.Is(err, task.ErrStaleStamp):
		// Alive, but a newer request got there first: a dial back of this
		// leader, so that the next one gets through, or a later leader's, which
		// will end this dispatcher. If neither comes, nobody can reach it.
		s.silentSince, s.failedAt = time.Time{}, now
		if s.staleSince.IsZero() {
			s.staleSince = now
		}
		if ob.c.lines.askAgain(s, r) {
			ob.c.fleet.refresh(s, now)
			return
		}
	default:
		s.failedAt = now
		if s.silentSince.IsZero() {
			s.silentSince = now
			ob.c.out.note(Debug, "a slave is silent", "slave", s.rec.Name, "error", err)
		}
	}
	ob.c.fleet.refresh(s, now)
	ob.c.lines.resolveSilent(s, r)
}

// deferred is something that waits until no send to a slave is under way.
type deferred interface {
	proceed(c *Core)
}

// whenSettled has d proceed when no send is under way: what came of it may be that
// nothing has begun.
func (ob *outbox) whenSettled(s *slaveBook, d deferred) {
	if s.lane.sends {
		s.lane.after = append(s.lane.after, d)
		return
	}
	d.proceed(ob.c)
}

func (ob *outbox) laneSettled(s *slaveBook) {
	after := s.lane.after
	s.lane.after = nil
	for _, d := range after {
		d.proceed(ob.c)
	}
}

// compareHeld acts on the difference between the attempts that a slave has and
// those that the state says it has.
func (ob *outbox) compareHeld(s *slaveBook, r *SlaveRequest, held []task.Held, now time.Time) {
	has := make(map[task.ID]task.Held, len(held))
	v := ob.c.view
	for _, h := range held {
		has[h.ID] = h
		at := task.Attempt{ID: h.ID, Attempt: h.Attempt, Slave: s.rec.Name, Incarnation: r.Incarnation}
		if h.Finished {
			continue // it will be reported, and refused if it is not current
		}
		if t, ok := v.Task(h.ID); ok {
			if cur, running := t.Current(); running && cur == at {
				continue
			}
		}
		if len(s.lane.cancels) < s.rec.Slots { // it can't run more
			s.lane.cancels = append(s.lane.cancels, at)
		}
	}
	for _, a := range s.inOrder() {
		h, ok := has[a.ID]
		switch {
		case a.phase != phaseAccepted:
		case !ok || h.Attempt != a.Attempt.Attempt:
			if t, _ := v.Task(a.ID); t.Status == task.InProgress { // or it ended just now
				ob.c.attempts.forgot(a, now)
			}
		case h.Finished && a.finished:
			ob.c.attempts.requeue(a) // its report does not come; the answer to a send has the result, too
		default:
			a.finished = h.Finished
		}
	}
}
