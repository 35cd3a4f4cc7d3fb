package simulation

import (
	"slices"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// This file has what a slave asks of the masters.

func (x *machine) registration() task.Registration {
	return task.Registration{Name: x.name, URL: x.url, Slots: x.slots, Incarnation: x.incarnation, Kinds: x.setup.kinds, Labels: x.setup.labels}
}

// register makes the slave known, and does not give up.
func (x *machine) register() {
	if x.registering {
		return
	}
	x.registering = true
	x.tryToRegister(50 * time.Millisecond)
}

func (x *machine) tryToRegister(pause time.Duration) {
	if x.leaving {
		x.registering = false
		return
	}
	done, r := false, x.registration()
	over := func(call *scheduler.Call) {
		if done {
			return
		}
		done = true
		if call != nil && call.Err == nil {
			x.registering = false
			return
		}
		x.later(pause, func() { x.tryToRegister(min(2*pause, 2*time.Second)) })
	}
	x.later(3*time.Second, func() { over(nil) })
	x.toMaster(func(m *master) { m.register(x, r, func(call *scheduler.Call) { x.fromMaster(func() { over(call) }) }) })
}

// register is what a master does when a slave registers: it asks who is there.
func (m *master) register(x *machine, r task.Registration, answer func(*scheduler.Call)) {
	stamp := m.stamp()
	told := false
	ask := &scheduler.SlaveRequest{Kind: scheduler.RequestAvailable}
	m.w.carry(x, time.Second, func(answer func(scheduler.SlaveResponse)) { x.asked(stamp, ask, answer) }, func(resp scheduler.SlaveResponse) {
		if told {
			return
		}
		told = true
		if resp.Err != nil || resp.Availability.Incarnation != r.Incarnation {
			answer(&scheduler.Call{Err: task.Refuse(task.CodeSlaveUnreachable, "it does not answer")})
			return
		}
		m.call(answer, func(call *scheduler.Call, now time.Time) { m.core.Register(call, r, resp.Availability, now) })
	})
}

// watch has the slave register again when no leader has asked anything for long.
func (x *machine) watch() {
	silence := x.chance.between(45*time.Second, 90*time.Second)
	x.later(5*time.Second, func() {
		if x.w.now-x.asks > silence {
			x.register()
		}
		x.watch()
	})
}

// report tells a master of results, until each has a verdict.
func (x *machine) report() {
	if x.reporting || len(x.finished) == 0 {
		return
	}
	x.reporting = true
	batch := slices.Clone(x.finished[:min(len(x.finished), 20)])
	r := task.Report{Slave: x.name, Cluster: "c", Availability: x.word()}
	for _, e := range batch {
		r.Results = append(r.Results, e.result)
	}
	done := false
	over := func(verdicts []task.Verdict) {
		if done {
			return
		}
		done, x.reporting = true, false
		if x.settle(batch, verdicts) {
			x.pause = 0
			x.report()
			return
		}
		x.pause = min(max(2*x.pause, 20*time.Millisecond), 2*time.Second)
		x.later(x.pause, x.report)
	}
	x.later(5*time.Second, func() { over(nil) })
	x.toMaster(func(m *master) {
		m.call(func(call *scheduler.Call) {
			verdicts := call.Verdicts
			if call.Err != nil {
				verdicts = nil
			}
			x.w.rules.verdicts(x, r, verdicts)
			x.fromMaster(func() { over(verdicts) })
		}, func(call *scheduler.Call, now time.Time) { m.core.Report(call, r, now) })
	})
}

// settle takes in verdicts, and tells whether all results have one that settles them.
func (x *machine) settle(batch []*execution, verdicts []task.Verdict) bool {
	if len(verdicts) != len(batch) {
		return false
	}
	all := true
	for i, e := range batch {
		final := verdicts[i].Err == nil
		if !final {
			switch verdicts[i].Err.Code {
			case task.CodeStaleAttempt, task.CodeTaskNotFound, task.CodeTaskForgotten, task.CodeWrongIncarnation:
				final = true
			default:
			}
		}
		if !final {
			all = false
			continue
		}
		e.state = acknowledged
		x.finished = slices.DeleteFunc(x.finished, func(o *execution) bool { return o == e })
	}
	return all
}

// leave says goodbye when all is done, and ends.
func (x *machine) leave() {
	if !x.up || x.leaving {
		return
	}
	x.leaving = true
	x.w.sayf("%s is to leave", x.name)
	x.sayGoodbye()
}

func (x *machine) sayGoodbye() {
	if x.running > 0 || len(x.finished) > 0 {
		x.later(100*time.Millisecond, x.sayGoodbye)
		return
	}
	incarnation := x.incarnation
	x.toMaster(func(m *master) {
		m.call(func(*scheduler.Call) { x.fromMaster(x.kill) }, func(call *scheduler.Call, now time.Time) { m.core.Leave(call, x.name, incarnation, now) })
	})
	x.later(3*time.Second, x.kill)
}

// toMaster carries a call to one who says that it leads.
func (x *machine) toMaster(do func(m *master)) {
	if x.cut || x.w.loses(x.chance) {
		return
	}
	x.w.after(x.w.latency(x.chance), func() {
		if m := x.w.anyLeader(x.chance); m != nil {
			do(m)
		}
	})
}

// fromMaster carries the answer back.
func (x *machine) fromMaster(do func()) {
	if !x.cut && !x.w.loses(x.chance) {
		x.later(x.w.latency(x.chance), do)
	}
}
