package scheduler

import (
	"errors"
	"math"
	"time"

	"muster/fsm"
	"muster/task"
)

// queue proposes the task without an assignment.
func (d *desk) queue(s *Submit, now time.Time) {
	d.queueing++
	asked := s.seeker.tell.upTo(math.MaxUint64, s.seeker.class, now)
	d.c.log.proposeSubmit(s, fsm.SubmitTask{Spec: s.Spec, Key: s.Key}, queueing{s, asked})
}

// queueing is a submit on its way into the log, to be pending.
type queueing struct {
	s     *Submit
	asked []task.Asked
}

func (f queueing) settle(c *Core, o fsm.Outcome, err error, now time.Time) {
	c.desk.queueing--
	if err != nil {
		c.desk.unrecorded(f.s, err, now)
		return
	}
	if !o.Existing {
		c.lines.addPending(o.Task)
	}
	c.desk.finish(f.s, Answer{Task: *o.Task, Existing: o.Existing, Asked: f.asked}, nil)
}

// record proposes the task together with its assignment.
func (d *desk) record(s *Submit, on *slaveBook, now time.Time) {
	place := fsm.Place{Slave: on.rec.Name, Incarnation: on.rec.Incarnation}
	asked := s.seeker.tell.upTo(on.rec.Order, s.seeker.class, now)
	d.c.log.proposeSubmit(s, fsm.SubmitTask{Spec: s.Spec, Key: s.Key, Assign: &place}, recording{s, on, asked})
}

// recording is a submit on its way into the log, together with its assignment.
type recording struct {
	s     *Submit
	on    *slaveBook
	asked []task.Asked
}

func (f recording) settle(c *Core, o fsm.Outcome, err error, now time.Time) {
	c.fleet.unreserve(f.on, now)
	if err != nil {
		c.desk.unrecorded(f.s, err, now)
		return
	}
	c.desk.finish(f.s, Answer{Task: *o.Task, Existing: o.Existing, Asked: f.asked}, nil)
	if at, ok := o.Task.Current(); ok && !o.Existing {
		c.lines.confirm(f.on, at, now)
	}
}

// unrecorded ends a submit whose proposal was refused, or plans it anew when
// only its slot was gone.
func (d *desk) unrecorded(s *Submit, err error, now time.Time) {
	var refusal *task.Error
	if !errors.As(err, &refusal) {
		refusal = task.Refuse(task.CodeOutcomeUnknown, "the task may or may not have been recorded ("+err.Error()+"); repeat it with the same Idempotency-Key to find out")
	}
	switch refusal.Code {
	case task.CodeSlaveFull, task.CodeSlaveNotAlive, task.CodeSlaveNotFound, task.CodeWrongIncarnation, task.CodeNoSlaveForKind,
		task.CodeLabelsMissing:
		if d.c.stopped {
			refusal = NotLeader() // what is planned now leaves no more
			break
		}
		if s.replans++; s.replans < maxReplans {
			d.c.lines.enterLine(s)
			return
		}
		d.noSlot(s, now)
		return
	case task.CodeDiskLow:
		d.refuse(s, refusal)
		return
	case task.CodeStaleTerm:
		refusal = NotLeader()
	}
	d.finish(s, Answer{}, refusal)
}

// finish answers a submit, and those that repeat it.
func (d *desk) finish(s *Submit, a Answer, err error) {
	if s.inLine {
		d.c.lines.leaveLine(s)
	}
	s.refusal = nil
	if s.seeker.class != nil {
		s.seeker.class.submits--
	}
	if s.Key != "" && d.keys[s.Key] == s {
		delete(d.keys, s.Key)
	}
	d.answer(s, a, err)
	a.Existing = true
	for _, twin := range s.twins {
		d.answer(twin, a, err)
	}
	s.twins = nil
}

// NotLeader is the refusal of what came when this master did not lead any more.
func NotLeader() *task.Error {
	return task.Refuse(task.CodeNotLeader, "this master does not lead any more; repeat the call at the leader")
}
