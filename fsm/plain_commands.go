package fsm

import (
	"math"

	"muster/task"
)

// plainCommand reads a command; encoder.command has the inverse. Its texts are parts of
// one string of its own, so that no task keeps the whole entry in memory.
func plainCommand(n Number, body []byte, places *knownPlaces) (c Command, ok bool) {
	p := plain[string]{rest: string(body)}
	switch n {
	case NumberSubmitTask, NumberSubmitTaskOnTerms, NumberSubmitTaskOnConditions:
		c = plainSubmit(&p, n, places)
	case NumberAssignTask:
		c = AssignTask{Attempt: plainAttempt(&p, 1)}
	case NumberCompleteTask:
		c = plainComplete(&p)
	case NumberGiveUpAttempt:
		c = GiveUpAttempt{Attempt: plainAttempt(&p, 1), Began: p.flag(2), Reason: p.text(3)}
	case NumberRegisterSlave, NumberRegisterSlaveInFull:
		c = plainRegister(&p, n)
	case NumberLoseSlave:
		c = LoseSlave{Place: plainPlace(&p, 1), Reason: p.text(2), Begun: plainAttempts(&p, 3)}
	case NumberLeaveSlave:
		c = LeaveSlave{Place: plainPlace(&p, 1), Begun: plainAttempts(&p, 2)}
	case NumberPutMaster:
		c = PutMaster{ID: p.text(1), RaftAddress: p.text(2), APIURL: p.text(3), Commands: p.uint32(4)}
	case NumberRemoveMaster:
		c = RemoveMaster{ID: p.text(1)}
	case NumberCancelTask:
		c = CancelTask{ID: task.ID(p.number(1))}
	case NumberExpireTask:
		c = ExpireTask{ID: task.ID(p.number(1))}
	case NumberDrainSlave:
		c = DrainSlave{Slave: p.text(1)}
	case NumberUndrainSlave:
		c = UndrainSlave{Slave: p.text(1)}
	case NumberRemoveSlave:
		c = RemoveSlave{Slave: p.text(1), Force: p.flag(2), Begun: plainAttempts(&p, 3)}
	case NumberForgetTasks:
		c = ForgetTasks{UpTo: task.ID(p.number(1)), Keep: plainIDs(&p, 2)}
	default:
		return nil, false
	}
	return c, p.whole()
}

// knownPlaces are places that commands of an entry have named: most name one of few.
type knownPlaces struct {
	known [8]knownPlace
	next  int // the one that goes when another comes
}

type knownPlace struct {
	text  string // as it was read
	place *Place // never written to
}

// read reads a place, which the commands share.
func (k *knownPlaces) read(p *plain[string], field uint) *Place {
	text, ok := p.part(field)
	if !ok {
		return nil
	}
	for i := range k.known {
		if k.known[i].text == text && text != "" {
			return k.known[i].place
		}
	}
	m := plain[string]{rest: text}
	place := &Place{Slave: m.text(1), Incarnation: m.text(2)}
	if p.read(&m); !p.odd {
		k.known[k.next] = knownPlace{text, place}
		k.next = (k.next + 1) % len(k.known)
	}
	return place
}

func plainSubmit(p *plain[string], n Number, places *knownPlaces) Command {
	var x SubmitTask
	plainSpec(p, 1, &x.Spec)
	x.Key = p.text(2)
	x.Assign = places.read(p, 3)
	if n != NumberSubmitTask {
		plainTerms(p, 4, &x.Spec)
	}
	if n == NumberSubmitTaskOnConditions {
		plainConditions(p, 5, &x.Spec)
	}
	return x
}

func plainComplete(p *plain[string]) Command {
	a := plainAttempt(p, 1)
	return CompleteTask{Attempt: a, Result: task.Result{
		ID:        a.ID,
		Attempt:   a.Attempt,
		Outcome:   task.Outcome(p.limited(2, uint64(task.Lost))),
		Value:     plainValue(p, 3),
		Error:     p.text(4),
		Retryable: p.flag(5),
	}}
}

func plainRegister(p *plain[string], n Number) Command {
	x := RegisterSlave{Registration: task.Registration{
		Name: p.text(1), URL: p.text(2), Slots: int(p.limited(3, math.MaxInt32)), Incarnation: p.text(4), Kinds: plainKinds(p, 5),
	}}
	x.Begun = plainAttempts(p, 6)
	if n == NumberRegisterSlaveInFull {
		x.Registration.Labels, x.Registration.Version, x.InFull = plainLabels(p, 7), p.text(8), true
	}
	return x
}

func plainPlace(p *plain[string], field uint) Place {
	m := p.message(field)
	place := Place{Slave: m.text(1), Incarnation: m.text(2)}
	p.read(&m)
	return place
}

func plainIDs(p *plain[string], field uint) (ids []task.ID) {
	m := p.message(field)
	for len(m.rest) > 0 && !m.odd {
		ids = append(ids, task.ID(m.varint()))
	}
	p.read(&m)
	return ids
}

func plainKinds(p *plain[string], field uint) (kinds []task.Kind) {
	for part, ok := p.part(field); ok; part, ok = p.part(field) {
		m := plain[string]{rest: part}
		kinds = append(kinds, task.Kind{Name: m.text(1), Idempotent: m.flag(2)})
		p.read(&m)
	}
	return kinds
}

func plainAttempt(p *plain[string], field uint) task.Attempt {
	return plainAttemptIn(p, p.text(field))
}

func plainAttempts(p *plain[string], field uint) (attempts []task.Attempt) {
	for part, ok := p.part(field); ok; part, ok = p.part(field) {
		attempts = append(attempts, plainAttemptIn(p, part))
	}
	return attempts
}

// plainAttemptIn reads an attempt that is part of a message.
func plainAttemptIn(p *plain[string], part string) task.Attempt {
	m := plain[string]{rest: part}
	a := task.Attempt{ID: task.ID(m.number(1)), Attempt: m.uint32(2), Slave: m.text(3), Incarnation: m.text(4)}
	p.read(&m)
	return a
}

func plainValue(p *plain[string], field uint) task.Value {
	m := p.message(field)
	v := task.Value{Type: task.ValueType(m.limited(1, uint64(task.Boolean))), Text: m.text(2)}
	p.read(&m)
	return v
}

func plainSpec(p *plain[string], field uint, s *task.Spec) {
	m := p.message(field)
	s.Kind, s.Expression = m.text(1), m.text(2)
	for part, ok := m.part(3); ok; part, ok = m.part(3) {
		parameter := plain[string]{rest: part}
		s.Parameters = append(s.Parameters, task.Parameter{Name: parameter.text(1), Value: plainValue(&parameter, 2)})
		m.read(&parameter)
	}
	s.Idempotent = m.flag(4)
	s.MaxTries = m.uint32(5)
	s.TimeoutMS = int64(m.number(6))
	s.RetryOf = task.ID(m.number(7))
	p.read(&m)
}

func plainTerms(p *plain[string], field uint, s *task.Spec) {
	m := p.message(field)
	s.Priority = task.Priority(m.limited(1, uint64(task.MaxPriority)))
	p.read(&m)
}

func plainConditions(p *plain[string], field uint, s *task.Spec) {
	m := p.message(field)
	s.NotBefore, s.Deadline = plainMoment(&m, 1), plainMoment(&m, 2)
	s.BackoffMS = int64(m.number(3))
	s.Labels, s.Requires = plainLabels(&m, 4), plainLabels(&m, 5)
	p.read(&m)
}

func plainMoment(p *plain[string], field uint) task.Moment {
	m := p.message(field)
	at := task.Moment{At: task.Millis(m.number(1)), AfterMS: int64(m.number(2))}
	p.read(&m)
	return at
}

func plainLabels(p *plain[string], field uint) (labels []task.Label) {
	for part, ok := p.part(field); ok; part, ok = p.part(field) {
		m := plain[string]{rest: part}
		labels = append(labels, task.Label{Name: m.text(1), Value: m.text(2)})
		p.read(&m)
	}
	return labels
}
