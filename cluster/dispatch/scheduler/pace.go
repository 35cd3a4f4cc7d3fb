package scheduler

import (
	"slices"
	"time"

	"muster/task"
)

// This file bounds what a leader asks of its slaves at the same time. A new leader
// has something to ask of every slave, and a cluster of ten thousand would have ten
// thousand requests under way while Raft waits for a processor: leadership would be
// lost, and the next leader would do the same.

// urgency is which queue a slave's next request waits in. The first goes first.
type urgency uint8

const (
	urgentTask    urgency = iota // somebody waits for it: a question, a new attempt, a cancel
	urgentRefused                // whether a port that refused does so again, or a witness is reached
	urgentBroken                 // whether a slave lives to which a connection has broken
	urgentSilent                 // to a slave that did not answer the last time; it may soon be lost
	urgentSteady                 // an attempt that is sent again, a probe
	urgentLost                   // to a slave that is lost; it may wake
	urgencies
	notUrgent // there is nothing to ask
)

const (
	// maxForTasks, maxKnocks, maxSteady and maxSilent bound the requests under way at
	// once: for those who wait, to slaves whose port may refuse, to slaves that live,
	// and to those that may not. The last mostly wait for a time-out, which must not
	// hold up the others.
	maxForTasks = 256
	maxKnocks   = 128
	maxSteady   = 128
	maxSilent   = 128
	// paceStep and paceMost bound how fast requests begin that nobody waits for: a
	// thousand a second.
	paceStep = 20 * time.Millisecond
	paceMost = 20
)

// mostUnderWay is the bound of each urgency. The silent and the lost share one.
func (u urgency) mostUnderWay() int {
	switch u {
	case urgentTask:
		return maxForTasks
	case urgentRefused, urgentBroken:
		return maxKnocks
	case urgentSteady:
		return maxSteady
	default:
		return maxSilent
	}
}

// pacer keeps the slaves in line that have something to be asked.
type pacer struct {
	queues   [urgencies][]*slaveBook
	underWay [urgencies]int
	begun    int       // requests of this step that nobody waits for
	nextStep time.Time // when the next step begins
}

// lineUp puts a slave into the queue of its next request, if it is not there.
func (ob *outbox) lineUp(s *slaveBook, now time.Time) {
	u := ob.urgency(s, now)
	if u == notUrgent || s.lane.queued[u] {
		return
	}
	s.lane.queued[u] = true
	ob.pacer.queues[u] = append(ob.pacer.queues[u], s)
}

// lineUpTouched does so for all whose lanes may have something to do.
func (ob *outbox) lineUpTouched(now time.Time) {
	touched := ob.touched
	ob.touched = nil
	for _, s := range touched {
		s.lane.touched = false
		ob.lineUp(s, now)
	}
}

// next takes the slave out of its queue whose request goes next; nil for none.
func (p *pacer) next(now time.Time) (*slaveBook, urgency) {
	for u := range urgencies {
		if len(p.queues[u]) == 0 || !p.mayBegin(u, now) {
			continue
		}
		s := p.queues[u][0]
		p.queues[u][0] = nil
		p.queues[u] = p.queues[u][1:]
		s.lane.queued[u] = false
		return s, u
	}
	return nil, notUrgent
}

// mayBegin tells whether one more request of an urgency may go out.
func (p *pacer) mayBegin(u urgency, now time.Time) bool {
	return p.hasRoom(u) && (u == urgentTask || p.begun < paceMost || !now.Before(p.nextStep))
}

func (p *pacer) hasRoom(u urgency) bool {
	n := p.underWay[u]
	if u == urgentSilent || u == urgentLost {
		n = p.underWay[urgentSilent] + p.underWay[urgentLost]
	}
	return n < u.mostUnderWay()
}

// began counts a request that goes out.
func (p *pacer) began(u urgency, now time.Time) {
	p.underWay[u]++
	if u == urgentTask {
		return
	}
	if !now.Before(p.nextStep) {
		p.begun, p.nextStep = 0, now.Add(paceStep)
	}
	p.begun++
}

// ended counts a request that came back.
func (p *pacer) ended(u urgency) { p.underWay[u]-- }

// wake is when a request may go out that waits for nothing but its step; zero for
// none.
func (p *pacer) wake() time.Time {
	for u := urgentTask + 1; u < urgencies; u++ {
		if len(p.queues[u]) > 0 && p.hasRoom(u) {
			return p.nextStep
		}
	}
	return time.Time{}
}

// urgency is that of what fillLane would ask of a slave next.
func (ob *outbox) urgency(s *slaveBook, now time.Time) urgency {
	l := &s.lane
	if l.busy || !s.askable() {
		return notUrgent
	}
	sends := len(l.queue) > 0 && !now.Before(l.retryAt)
	asks := len(l.askers) > 0 && ob.c.fleet.needsQuestion(s, now)
	switch {
	case asks:
		return urgentTask
	case !sends && len(l.cancels) == 0 && !l.probe && !l.knock:
		return notUrgent
	case s.rec.State == task.SlaveLost:
		return urgentLost
	case s.silentSince.IsZero() && (len(l.cancels) > 0 || sends && slices.ContainsFunc(l.queue, (*attempt).isNew)):
		return urgentTask
	case l.knock && (l.witness || !s.refusedAt.IsZero()):
		return urgentRefused
	case l.knock:
		return urgentBroken
	case !s.silentSince.IsZero():
		return urgentSilent
	default:
		return urgentSteady
	}
}

// isNew tells whether no request has carried the attempt yet.
func (a *attempt) isNew() bool { return !a.begun && !a.dropped }
