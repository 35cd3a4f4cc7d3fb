package fsm

import "muster/task"

// command writes the body of a command; commandIn has the inverse.
func (e *encoder) command(command Command) {
	switch x := command.(type) {
	case SubmitTask:
		e.submit(&x)
	case AssignTask:
		e.attempt(1, &x.Attempt)
	case CompleteTask:
		e.complete(&x)
	case GiveUpAttempt:
		e.attempt(1, &x.Attempt)
		e.flag(2, x.Began)
		e.text(3, x.Reason)
	case RegisterSlave:
		e.register(&x)
	case LoseSlave:
		e.place(1, &x.Place)
		e.text(2, x.Reason)
		e.attempts(3, x.Begun)
	case LeaveSlave:
		e.place(1, &x.Place)
		e.attempts(2, x.Begun)
	case PutMaster:
		e.text(1, x.ID)
		e.text(2, x.RaftAddress)
		e.text(3, x.APIURL)
		e.number(4, uint64(x.Commands))
	case RemoveMaster:
		e.text(1, x.ID)
	case CancelTask:
		e.number(1, uint64(x.ID))
	case ExpireTask:
		e.number(1, uint64(x.ID))
	case DrainSlave:
		e.text(1, x.Slave)
	case UndrainSlave:
		e.text(1, x.Slave)
	case RemoveSlave:
		e.text(1, x.Slave)
		e.flag(2, x.Force)
		e.attempts(3, x.Begun)
	case ForgetTasks:
		e.number(1, uint64(x.UpTo))
		e.ids(2, x.Keep)
	default:
		e.failf("this type of command has no shape in the log")
	}
}

func (e *encoder) submit(x *SubmitTask) {
	e.spec(1, &x.Spec)
	e.text(2, x.Key)
	if x.Assign != nil {
		e.place(3, x.Assign)
	}
	e.terms(4, &x.Spec)
	e.conditions(5, &x.Spec)
}

func (e *encoder) complete(x *CompleteTask) {
	r := &x.Result
	if r.ID != x.Attempt.ID || r.Attempt != x.Attempt.Attempt {
		e.failf("the result is of attempt %d of task %d, the command of attempt %d of task %d",
			r.Attempt, r.ID, x.Attempt.Attempt, x.Attempt.ID)
	}
	e.attempt(1, &x.Attempt)
	e.enum(2, "outcome", uint64(r.Outcome), uint64(task.Lost))
	e.value(3, &r.Value)
	e.text(4, r.Error)
	e.flag(5, r.Retryable)
}

func (e *encoder) register(x *RegisterSlave) {
	r := &x.Registration
	if !x.InFull && (len(r.Labels) > 0 || r.Version != "") {
		e.failf("a slave with labels or a version is registered in full or not at all")
	}
	e.text(1, r.Name)
	e.text(2, r.URL)
	e.count(3, "number of slots", r.Slots)
	e.text(4, r.Incarnation)
	e.kinds(5, r.Kinds)
	e.attempts(6, x.Begun)
	e.labels(7, r.Labels)
	e.text(8, r.Version)
}

func (e *encoder) attempt(field uint, a *task.Attempt) {
	m := e.begin(field)
	e.number(1, uint64(a.ID))
	e.number(2, uint64(a.Attempt))
	e.text(3, a.Slave)
	e.text(4, a.Incarnation)
	e.end(m)
}

func (e *encoder) attempts(field uint, list []task.Attempt) {
	for i := range list {
		e.attempt(field, &list[i])
	}
}

func (e *encoder) place(field uint, p *Place) {
	m := e.begin(field)
	e.text(1, p.Slave)
	e.text(2, p.Incarnation)
	e.end(m)
}

func (e *encoder) ids(field uint, list []task.ID) {
	if len(list) == 0 {
		return
	}
	m := e.begin(field)
	for _, id := range list {
		e.varint(uint64(id))
	}
	e.end(m)
}

func (e *encoder) kinds(field uint, list []task.Kind) {
	for i := range list {
		m := e.begin(field)
		e.text(1, list[i].Name)
		e.flag(2, list[i].Idempotent)
		e.end(m)
	}
}

func (e *encoder) labels(field uint, list []task.Label) {
	for i := range list {
		m := e.begin(field)
		e.text(1, list[i].Name)
		e.text(2, list[i].Value)
		e.end(m)
	}
}

// value writes a value, unless it is none.
func (e *encoder) value(field uint, v *task.Value) {
	if *v == (task.Value{}) {
		return
	}
	m := e.begin(field)
	e.enum(1, "value type", uint64(v.Type), uint64(task.Boolean))
	e.text(2, v.Text)
	e.end(m)
}

// spec writes what the first version knew of a Spec; terms and conditions the rest.
func (e *encoder) spec(field uint, s *task.Spec) {
	m := e.begin(field)
	e.text(1, s.Kind)
	e.text(2, s.Expression)
	for i := range s.Parameters {
		p := e.begin(3)
		e.text(1, s.Parameters[i].Name)
		e.value(2, &s.Parameters[i].Value)
		e.end(p)
	}
	e.flag(4, s.Idempotent)
	e.number(5, uint64(s.MaxTries))
	e.number(6, uint64(s.TimeoutMS))
	e.number(7, uint64(s.RetryOf))
	e.end(m)
}

func (e *encoder) terms(field uint, s *task.Spec) {
	if s.Priority == 0 {
		return
	}
	if s.Priority > task.MaxPriority {
		e.failf("priority %d is out of range", s.Priority)
	}
	m := e.begin(field)
	e.number(1, uint64(s.Priority))
	e.end(m)
}

func (e *encoder) conditions(field uint, s *task.Spec) {
	if !conditional(s) {
		return
	}
	m := e.begin(field)
	e.moment(1, s.NotBefore)
	e.moment(2, s.Deadline)
	e.number(3, uint64(s.BackoffMS))
	e.labels(4, s.Labels)
	e.labels(5, s.Requires)
	e.end(m)
}

// moment writes a moment, unless it is none.
func (e *encoder) moment(field uint, at task.Moment) {
	if at.IsZero() {
		return
	}
	m := e.begin(field)
	e.number(1, uint64(at.At))
	e.number(2, uint64(at.AfterMS))
	e.end(m)
}
