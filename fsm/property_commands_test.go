package fsm

import (
	"fmt"

	"muster/task"
)

// command draws a command, most often one that fits the view.
func (p *prover) command(v *View) Command {
	switch n := p.random.IntN(100); {
	case n < 26:
		return p.submit(v)
	case n < 49:
		return AssignTask{Attempt: p.next(v)}
	case n < 84:
		return p.complete(v)
	case n < 85:
		return p.stop(v)
	case n < 87:
		return GiveUpAttempt{Attempt: p.current(v), Began: p.chance(50), Reason: "given up"}
	case n < 95:
		return p.register(v)
	case n < 96:
		return LoseSlave{Place: p.place(v), Reason: "silence", Begun: p.begun(v)}
	case n < 97:
		return LeaveSlave{Place: p.place(v), Begun: p.begun(v)}
	case n < 99:
		return PutMaster{ID: pick(p, "m1", "m2"), APIURL: pick(p, "u", "w")}
	default:
		return RemoveMaster{ID: pick(p, "m1", "m2")}
	}
}

// stop draws one of the commands that end or withhold things from outside.
func (p *prover) stop(v *View) Command {
	name := p.place(v).Slave
	switch p.random.IntN(7) {
	case 6:
		return ExpireTask{ID: p.next(v).ID}
	case 5:
		x := ForgetTasks{UpTo: task.ID(p.random.Uint64N(v.Counts().Submitted + 3))}
		if p.chance(80) {
			x.UpTo /= 2
		}
		for id := task.ID(1); id <= x.UpTo; id++ {
			if p.chance(20) {
				x.Keep = append(x.Keep, id)
			}
		}
		return x
	case 0:
		return DrainSlave{Slave: name}
	case 1:
		return UndrainSlave{Slave: name}
	case 2:
		return RemoveSlave{Slave: name, Force: p.chance(50), Begun: p.begun(v)}
	default:
		id := p.next(v).ID
		if p.chance(50) {
			id = p.current(v).ID
		}
		return CancelTask{ID: id}
	}
}

func (p *prover) submit(v *View) Command {
	key := p.random.IntN(200)
	n := key % 6 // most often the same spec for the same key
	if p.chance(10) {
		n = p.random.IntN(6)
	}
	x := SubmitTask{Spec: task.Spec{
		Kind: []string{task.KindExpression, "once"}[n%2], Expression: fmt.Sprint("1+", n), MaxTries: 1 + uint32(n%3), Idempotent: n%2 == 0, Priority: task.Priority(n / 2),
	}}
	switch n {
	case 1:
		x.Spec.BackoffMS, x.Spec.Requires = 7, []task.Label{{Name: "disk", Value: "ssd"}}
	case 2:
		x.Spec.NotBefore, x.Spec.Deadline = task.Moment{AfterMS: 5}, task.Moment{At: 99}
		x.Spec.Labels = []task.Label{{Name: "team", Value: "maths"}}
	}
	if n > 2 {
		x.Spec.Parameters = []task.Parameter{{Name: "x", Value: task.Value{Type: task.Number, Text: fmt.Sprint(n)}}}
	}
	if p.chance(60) {
		x.Key = fmt.Sprint("k", key)
	}
	if p.chance(60) {
		place := p.place(v)
		x.Assign = &place
	}
	return x
}

// place names a slave as it is, or seldom as it is not.
func (p *prover) place(v *View) Place {
	slaves := v.Slaves()
	if len(slaves) == 0 || p.chance(3) {
		return Place{Slave: "s9", Incarnation: "1"}
	}
	s := pick(p, slaves...)
	if p.chance(3) {
		s.Incarnation += "?"
	}
	return Place{Slave: s.Name, Incarnation: s.Incarnation}
}

// next names the next attempt of a waiting task.
func (p *prover) next(v *View) task.Attempt {
	id := task.ID(p.random.Uint64N(v.Counts().Submitted + 2))
	if waiting := ids(v.Pending); len(waiting) > 0 && !p.chance(3) {
		id = pick(p, waiting[:min(len(waiting), 10)]...)
	}
	t, _ := v.Task(id)
	place := p.place(v)
	a := task.Attempt{ID: id, Attempt: t.Attempt + 1, Slave: place.Slave, Incarnation: place.Incarnation}
	if p.chance(3) {
		a.Attempt++
	}
	return a
}

// current names the attempt of a task in progress, or seldom of any task.
func (p *prover) current(v *View) task.Attempt {
	id := task.ID(p.random.Uint64N(v.Counts().Submitted + 2))
	if running := ids(v.InProgress); len(running) > 0 && !p.chance(10) {
		id = pick(p, running...)
	}
	t, _ := v.Task(id)
	a := attemptOf(t)
	if p.chance(3) {
		a.Attempt--
	}
	if p.chance(3) {
		a.Incarnation += "?"
	}
	return a
}

func (p *prover) complete(v *View) Command {
	a := p.current(v)
	r := task.Result{ID: a.ID, Attempt: a.Attempt, Outcome: task.Succeeded, Value: task.Value{Type: task.Number, Text: a.ID.String()}}
	if p.chance(30) {
		r = task.Result{ID: a.ID, Attempt: a.Attempt, Outcome: task.Failed, Error: "no", Retryable: p.chance(50)}
	}
	return CompleteTask{Attempt: a, Result: r}
}

func (p *prover) register(v *View) Command {
	name := fmt.Sprint("s", p.random.IntN(4))
	old, known := v.Slave(name)
	x := RegisterSlave{Registration: registration(name, fmt.Sprint(p.random.IntN(1000)), p.random.IntN(30))}
	if known && p.chance(50) {
		x.Registration.Incarnation = old.Incarnation
	}
	if known && p.chance(30) {
		x.Registration.Slots = old.Slots
	}
	x.Begun = p.begun(v)
	if p.chance(60) {
		x.InFull = true
		x.Registration.Labels = []task.Label{{Name: "disk", Value: pick(p, "ssd", "ssd", "tape")}}
		x.Registration.Version = pick(p, "1", "2")
		x.Registration.Kinds[1].Idempotent = p.chance(2)
	}
	return x
}

// begun names some of the attempts in progress.
func (p *prover) begun(v *View) []task.Attempt {
	var begun []task.Attempt
	for t := range v.InProgress {
		if p.chance(50) {
			begun = append(begun, attemptOf(t))
		}
	}
	return begun
}

func ids(all func(func(task.Task) bool)) []task.ID {
	var list []task.ID
	for t := range all {
		list = append(list, t.ID)
	}
	return list
}
