package scheduler

import (
	"fmt"
	"math"
	"slices"
	"time"

	"muster/task"
)

// Request is a task to be submitted.
type Request struct {
	Spec    task.Spec // Idempotent is filled in from what the slaves declare
	Key     string    // Idempotency-Key; empty for none
	Explain bool      // tell who was asked
	Queue   bool      // when no slave has a free slot, record it as a pending task
}

// Answer is what came of a Request that was not refused.
type Answer struct {
	Task     task.Task
	Existing bool         // the key was known: an earlier task, as it is now
	Asked    []task.Asked // with Explain
}

// Submit is a Request on its way. It is the core's until Plan returns it with its
// answer.
type Submit struct {
	Request
	Answer Answer
	Err    error
	// Batch is the caller's, for whoever waits for the answer.
	Batch any

	seeker  seeker
	arrival uint64
	replans int
	inLine  bool
	delayed bool        // may not start yet: it looks for no slave
	inLog   bool        // its proposal may be, or come to be, in the log
	refusal *task.Error // what it is refused with, if this master still leads
	repeats *Submit     // an earlier one with the same key, whose answer it gets
	twins   []*Submit   // later ones with the same key, that get the same answer
	told    bool        // it has its answer, and goes on for its twins
}

// NewSubmit returns a request that can be handed to Core.Submit.
func NewSubmit(r Request) *Submit { return &Submit{Request: r} }

// Answered tells whether the submit has its answer.
func (s *Submit) Answered() bool { return s.told }

// InLog tells whether the submit may be, or come to be, in the log.
func (s *Submit) InLog() bool { return s.first().inLog }

// Is tells whether the submit is, or repeats, another.
func (s *Submit) Is(o *Submit) bool { return o != nil && s.first() == o.first() }

// first is the submit whose answer this one gets: its own, or of the one that it
// repeats.
func (s *Submit) first() *Submit {
	if s.repeats != nil {
		return s.repeats
	}
	return s
}

// answer gives a submit its answer, once.
func (d *desk) answer(s *Submit, a Answer, err error) {
	if s.told {
		return
	}
	s.told = true
	s.Answer, s.Err = a, err
	d.c.out.Submits = append(d.c.out.Submits, s)
}

// desk answers submits.
type desk struct {
	c        *Core
	keys     map[string]*Submit // submits under way, by idempotency key
	queueing int                // submits on their way to being pending
}

// submit takes in a request: the key first, then the line. It is answered once.
func (d *desk) submit(s *Submit, now time.Time) {
	d.c.about = Blame{Submit: s}
	switch known, err := d.byKey(s); {
	case err != nil:
		d.answer(s, Answer{}, err)
	case known:
	case d.c.stopped:
		d.answer(s, Answer{}, NotLeader())
	case d.c.lines.suspects.include(&s.Request, now):
		d.refuse(s, Suspected(d.c.lines.suspects.Window))
	case d.c.lines.waiting >= d.c.cfg.MaxWaiting:
		d.answer(s, Answer{}, task.Refuse(task.CodeOverloaded, fmt.Sprintf("%d tasks already wait for a slave's answer; try again in a moment", d.c.lines.waiting)))
	default:
		if s.Key != "" {
			d.keys[s.Key] = s
		}
		s.delayed = d.isDelayed(&s.Spec)
		s.Queue = s.Queue || s.delayed
		if refusal := d.admit(s, now); refusal != nil {
			d.refuse(s, refusal)
			return
		}
		d.c.lines.enterLine(s)
	}
}

// byKey answers a submit whose key is known, and has one whose key is under way
// wait for that one.
func (d *desk) byKey(s *Submit) (known bool, err error) {
	if s.Key == "" {
		return false, nil
	}
	if t, ok := d.c.view.TaskByKey(s.Key); ok {
		if !sameRequest(t.Spec, s.Spec) {
			return false, keyReused(s.Key, t.ID)
		}
		d.answer(s, Answer{Task: t, Existing: true}, nil)
		return true, nil
	}
	first := d.keys[s.Key]
	if first == nil {
		return false, nil
	}
	if !sameRequest(first.Spec, s.Spec) {
		return false, keyReused(s.Key, 0)
	}
	first.twins, s.repeats = append(first.twins, s), first
	return true, nil
}

// sameRequest compares what the client asked for, without what was filled in.
func sameRequest(a, b task.Spec) bool {
	a.Idempotent = b.Idempotent
	return a.Equal(&b)
}

func keyReused(key string, id task.ID) error {
	by := "another task that is being submitted"
	if id != 0 {
		by = "task " + id.String()
	}
	err := task.Refuse(task.CodeKeyReused, fmt.Sprintf("the Idempotency-Key %q belongs to %s, which asks for something else; use a new key for a new task", key, by))
	err.Task = id
	return err
}

// admit checks what only the leader can, and fills in what slaves declare.
func (d *desk) admit(s *Submit, now time.Time) *task.Error {
	if d.c.classes.crowded(&s.Spec) {
		return task.Refuse(task.CodeOverloaded, fmt.Sprintf("tasks of %d different kinds and requirements wait already; try again later", len(d.c.classes.all)))
	}
	cl := d.c.classes.class(&s.Spec)
	if cl.alive.Len() == 0 && !s.Queue && !s.plain() {
		refusal := cl.noSlaveFor(&s.Spec)
		if s.Explain {
			refusal.Asked = new(dialogue).upTo(math.MaxUint64, cl, now)
		}
		return refusal
	}
	// A slave that may come back may have said what the kind is like. Where nobody
	// has, it may be one that must not run twice.
	s.Spec.Idempotent = s.Spec.Kind == task.KindExpression || cl.kind.cautious == 0 && (cl.alive.Len() > 0 || cl.kind.repeatable > 0)
	s.seeker.class = cl
	cl.submits++
	if d.c.retention.crowded {
		return task.Refuse(task.CodeRetentionFull, "the done tasks take more memory than they may, and all are too young to be forgotten; try again later")
	}
	if refusal := d.untimely(&s.Spec); refusal != nil {
		return refusal
	}
	if s.Spec.RetryOf == 0 {
		return nil
	}
	switch t, ok := d.c.view.Task(s.Spec.RetryOf); {
	case !ok && uint64(s.Spec.RetryOf) <= d.c.view.Counts().Submitted:
		return d.c.view.Counts().Missing(s.Spec.RetryOf)
	case !ok:
		return task.Refuse(task.CodeTaskNotFound, "retry_of names task "+s.Spec.RetryOf.String()+", which does not exist")
	case t.Status != task.Done:
		return task.Refuse(task.CodeNotDone, "retry_of names task "+s.Spec.RetryOf.String()+", which is not done yet")
	}
	return nil
}

// plain tells whether every slave of the usual sort can run the task: if there is
// none, that is full capacity.
func (s *Submit) plain() bool { return s.Spec.Kind == task.KindExpression && len(s.Spec.Requires) == 0 }

// noSlot ends the search of a submit for a slave: it is refused, or waits as a
// pending task.
func (d *desk) noSlot(s *Submit, now time.Time) {
	if !s.Queue {
		d.refuse(s, s.explained(d.fullCapacity(s, now), now))
		return
	}
	if waiting := int(d.c.view.Counts().Pending) + d.queueing; waiting >= d.c.cfg.QueueLimit {
		refusal := task.Refuse(task.CodeQueueFull, fmt.Sprintf("%d tasks wait already, and there is room for %d; try again later", waiting, d.c.cfg.QueueLimit))
		d.refuse(s, s.explained(refusal, now))
		return
	}
	if s.inLine {
		d.c.lines.leaveLine(s)
	}
	d.queue(s, now)
}

// withdraw ends a submit whose client waits no longer, if nothing was proposed
// for it yet. While another with its key goes on, nobody can say that nothing
// will be recorded.
func (d *desk) withdraw(s *Submit, now time.Time) {
	switch {
	case (s.inLine || s.refusal != nil) && len(s.twins) == 0:
		refusal := task.Refuse(task.CodeOverloaded, "no slave could be found for the task in time; nothing was recorded, try again")
		refusal.Asked = s.askedSoFar(now)
		d.finish(s, Answer{}, refusal)
	case s.inLine || s.refusal != nil:
		d.answer(s, Answer{}, underWay(s.Key)) // it goes on for its twins
	default:
		if first := d.keys[s.Key]; first != nil && first != s {
			if at := slices.Index(first.twins, s); at >= 0 {
				first.twins = slices.Delete(first.twins, at, at+1)
				d.answer(s, Answer{}, underWay(s.Key))
			}
		}
	}
}

// askedSoFar returns the dialogue of a submit that ends before its search does.
func (s *Submit) askedSoFar(now time.Time) []task.Asked {
	k := &s.seeker
	switch {
	case s.refusal != nil:
		return s.refusal.Asked // it came to its end, and waits to be told
	case k.at != nil:
		k.tell.add(k.at, "", task.FromSlave)
		return k.tell.upTo(k.at.rec.Order, k.class, now)
	default:
		return k.tell.upTo(k.after, k.class, now)
	}
}

func underWay(key string) *task.Error {
	return task.Refuse(task.CodeOutcomeUnknown, fmt.Sprintf("another submit with the Idempotency-Key %q is still under way; repeat it to learn what becomes of the task", key))
}
