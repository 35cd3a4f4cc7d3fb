package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"muster/fsm"
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
func (c *Core) answer(s *Submit, a Answer, err error) {
	if s.told {
		return
	}
	s.told = true
	s.Answer, s.Err = a, err
	c.out.Submits = append(c.out.Submits, s)
}

// Submit takes in a request: the key first, then the line. It is answered once.
func (c *Core) Submit(s *Submit, now time.Time) {
	c.about = Blame{Submit: s}
	switch known, err := c.byKey(s); {
	case err != nil:
		c.answer(s, Answer{}, err)
	case known:
	case c.stopped:
		c.answer(s, Answer{}, NotLeader())
	case c.suspects.include(&s.Request, now):
		c.refuse(s, Suspected(c.suspects.Window))
	case c.waiting >= c.cfg.MaxWaiting:
		c.answer(s, Answer{}, task.Refuse(task.CodeOverloaded, fmt.Sprintf("%d tasks already wait for a slave's answer; try again in a moment", c.waiting)))
	default:
		if s.Key != "" {
			c.keys[s.Key] = s
		}
		s.delayed = c.isDelayed(&s.Spec)
		s.Queue = s.Queue || s.delayed
		if refusal := c.admit(s, now); refusal != nil {
			c.refuse(s, refusal)
			return
		}
		c.arrivals++
		s.arrival = c.arrivals
		c.enterLine(s)
	}
}

// byKey answers a submit whose key is known, and has one whose key is under way
// wait for that one.
func (c *Core) byKey(s *Submit) (known bool, err error) {
	if s.Key == "" {
		return false, nil
	}
	if t, ok := c.view.TaskByKey(s.Key); ok {
		if !sameRequest(t.Spec, s.Spec) {
			return false, keyReused(s.Key, t.ID)
		}
		c.answer(s, Answer{Task: t, Existing: true}, nil)
		return true, nil
	}
	first := c.keys[s.Key]
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
func (c *Core) admit(s *Submit, now time.Time) *task.Error {
	if c.crowded(&s.Spec) {
		return task.Refuse(task.CodeOverloaded, fmt.Sprintf("tasks of %d different kinds and requirements wait already; try again later", len(c.classes)))
	}
	cl := c.class(&s.Spec)
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
	if c.sweeper.crowded {
		return task.Refuse(task.CodeRetentionFull, "the done tasks take more memory than they may, and all are too young to be forgotten; try again later")
	}
	if refusal := c.untimely(&s.Spec); refusal != nil {
		return refusal
	}
	if s.Spec.RetryOf == 0 {
		return nil
	}
	switch t, ok := c.view.Task(s.Spec.RetryOf); {
	case !ok && uint64(s.Spec.RetryOf) <= c.view.Counts().Submitted:
		return c.view.Counts().Missing(s.Spec.RetryOf)
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
func (c *Core) noSlot(s *Submit, now time.Time) {
	if !s.Queue {
		c.refuse(s, s.explained(c.fullCapacity(s, now), now))
		return
	}
	if waiting := int(c.view.Counts().Pending) + c.queueing; waiting >= c.cfg.QueueLimit {
		refusal := task.Refuse(task.CodeQueueFull, fmt.Sprintf("%d tasks wait already, and there is room for %d; try again later", waiting, c.cfg.QueueLimit))
		c.refuse(s, s.explained(refusal, now))
		return
	}
	if s.inLine {
		c.leaveLine(s)
	}
	c.queue(s, now)
}

// queue proposes the task without an assignment.
func (c *Core) queue(s *Submit, now time.Time) {
	c.queueing++
	asked := s.seeker.tell.upTo(math.MaxUint64, s.seeker.class, now)
	c.proposeSubmit(s, fsm.SubmitTask{Spec: s.Spec, Key: s.Key}, queueing{s, asked})
}

// queueing is a submit on its way into the log, to be pending.
type queueing struct {
	s     *Submit
	asked []task.Asked
}

func (f queueing) settle(c *Core, o fsm.Outcome, err error, now time.Time) {
	c.queueing--
	if err != nil {
		c.unrecorded(f.s, err, now)
		return
	}
	if !o.Existing {
		c.addPending(o.Task)
	}
	c.finish(f.s, Answer{Task: *o.Task, Existing: o.Existing, Asked: f.asked}, nil)
}

// enterLine puts a submit into its line, by arrival.
func (c *Core) enterLine(s *Submit) {
	s.seeker = seeker{class: s.seeker.class, yields: true}
	if s.Explain {
		s.seeker.tell = &dialogue{}
	}
	l := &s.seeker.class.line
	at, _ := slices.BinarySearchFunc(l.submits, s, byArrival)
	l.submits = slices.Insert(l.submits, at, s)
	s.inLine = true
	c.waiting++
}

func byArrival(a, b *Submit) int { return cmp.Compare(a.arrival, b.arrival) }

// leaveLine takes a submit out of its line.
func (c *Core) leaveLine(s *Submit) {
	l := &s.seeker.class.line
	if at, ok := slices.BinarySearchFunc(l.submits, s, byArrival); ok {
		if at == 0 {
			l.submits[0] = nil
			l.submits = l.submits[1:]
		} else {
			l.submits = slices.Delete(l.submits, at, at+1)
		}
	}
	if s.seeker.at != nil {
		c.release(s.seeker.at, &s.seeker)
	}
	s.inLine = false
	c.waiting--
}

// Withdraw ends a submit whose client waits no longer, if nothing was proposed
// for it yet. While another with its key goes on, nobody can say that nothing
// will be recorded.
func (c *Core) Withdraw(s *Submit, now time.Time) {
	switch {
	case (s.inLine || s.refusal != nil) && len(s.twins) == 0:
		refusal := task.Refuse(task.CodeOverloaded, "no slave could be found for the task in time; nothing was recorded, try again")
		refusal.Asked = s.askedSoFar(now)
		c.finish(s, Answer{}, refusal)
	case s.inLine || s.refusal != nil:
		c.answer(s, Answer{}, underWay(s.Key)) // it goes on for its twins
	default:
		if first := c.keys[s.Key]; first != nil && first != s {
			if at := slices.Index(first.twins, s); at >= 0 {
				first.twins = slices.Delete(first.twins, at, at+1)
				c.answer(s, Answer{}, underWay(s.Key))
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

// record proposes the task together with its assignment.
func (c *Core) record(s *Submit, on *slaveBook, now time.Time) {
	place := fsm.Place{Slave: on.rec.Name, Incarnation: on.rec.Incarnation}
	asked := s.seeker.tell.upTo(on.rec.Order, s.seeker.class, now)
	c.proposeSubmit(s, fsm.SubmitTask{Spec: s.Spec, Key: s.Key, Assign: &place}, recording{s, on, asked})
}

// recording is a submit on its way into the log, together with its assignment.
type recording struct {
	s     *Submit
	on    *slaveBook
	asked []task.Asked
}

func (f recording) settle(c *Core, o fsm.Outcome, err error, now time.Time) {
	c.unreserve(f.on, now)
	if err != nil {
		c.unrecorded(f.s, err, now)
		return
	}
	c.finish(f.s, Answer{Task: *o.Task, Existing: o.Existing, Asked: f.asked}, nil)
	if at, ok := o.Task.Current(); ok && !o.Existing {
		c.confirm(f.on, at, now)
	}
}

// unrecorded ends a submit whose proposal was refused, or plans it anew when
// only its slot was gone.
func (c *Core) unrecorded(s *Submit, err error, now time.Time) {
	var refusal *task.Error
	if !errors.As(err, &refusal) {
		refusal = task.Refuse(task.CodeOutcomeUnknown, "the task may or may not have been recorded ("+err.Error()+"); repeat it with the same Idempotency-Key to find out")
	}
	switch refusal.Code {
	case task.CodeSlaveFull, task.CodeSlaveNotAlive, task.CodeSlaveNotFound, task.CodeWrongIncarnation, task.CodeNoSlaveForKind,
		task.CodeLabelsMissing:
		if s.replans++; s.replans < maxReplans && !c.stopped {
			c.enterLine(s)
			return
		}
		c.noSlot(s, now)
		return
	case task.CodeDiskLow:
		c.refuse(s, refusal)
		return
	case task.CodeStaleTerm:
		refusal = NotLeader()
	}
	c.finish(s, Answer{}, refusal)
}

// finish answers a submit, and those that repeat it.
func (c *Core) finish(s *Submit, a Answer, err error) {
	if s.inLine {
		c.leaveLine(s)
	}
	s.refusal = nil
	if s.seeker.class != nil {
		s.seeker.class.submits--
	}
	if s.Key != "" && c.keys[s.Key] == s {
		delete(c.keys, s.Key)
	}
	c.answer(s, a, err)
	a.Existing = true
	for _, twin := range s.twins {
		c.answer(twin, a, err)
	}
	s.twins = nil
}

// NotLeader is the refusal of what came when this master did not lead any more.
func NotLeader() *task.Error {
	return task.Refuse(task.CodeNotLeader, "this master does not lead any more; repeat the call at the leader")
}
