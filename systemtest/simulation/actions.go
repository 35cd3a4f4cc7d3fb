package simulation

import (
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// act carries out an action of the script.
func (w *world) act(a action) {
	c := newChance(a.chance, 1)
	w.sayf("action: %v", a)
	x := w.machines[c.IntN(len(w.machines))]
	switch a.kind {
	case submitOne:
		w.submit(c, w.single(w.newRequest(c)))
	case submitSome:
		for range 2 + c.IntN(12) {
			w.submit(c, w.single(w.newRequest(c)))
		}
	case submitBatch:
		w.submit(c, w.newBatch(c))
	case repeatKey:
		w.repeat(c)
	case cancelTask:
		w.cancel(c)
	case drainSlave:
		w.drain(x.name, true)
		w.after(c.between(0, 10*time.Second), func() { w.drain(x.name, false) })
	case removeSlave:
		force := c.in(70)
		w.toLeader(func(m *master) {
			m.call(func(*scheduler.Call) {}, func(call *scheduler.Call, now time.Time) { m.core.Remove(call, x.name, force, now) })
		})
	case resizeSlave:
		w.resize(x, 1+c.IntN(6))
	case crashSlave:
		x.kill()
		w.after(c.between(0, pick(c, 300*time.Millisecond, 3*time.Second, 10*time.Second)), x.boot)
	case pauseSlave:
		x.paused = x.up
		w.after(c.between(0, pick(c, 500*time.Millisecond, 12*time.Second)), x.resume)
	case cutSlave:
		x.cut = true
		w.after(c.between(0, pick(c, 500*time.Millisecond, 12*time.Second)), func() { x.cut = false })
	case leaveSlave:
		x.leave()
		w.after(c.between(time.Second, 10*time.Second), x.boot)
	case forgeGoodbye:
		incarnation := x.incarnation
		w.toLeader(func(m *master) {
			m.call(func(*scheduler.Call) {}, func(call *scheduler.Call, now time.Time) { m.core.Leave(call, x.name, incarnation, now) })
		})
	case lieSlave:
		x.lie = noLie + 1 + lie(c.IntN(int(lies)-1))
		w.after(c.between(0, 20*time.Second), func() { x.lie = noLie })
	case loseLeader:
		w.loseLeader(c)
	case restartDispatcher:
		w.restart(c)
	case actionKinds:
	}
}

// repeat submits again with a key that was used: the same, or something else.
func (w *world) repeat(c chance) {
	if len(w.keyed) == 0 {
		w.submit(c, w.single(w.newRequest(c)))
		return
	}
	first := pick(c, w.keyed...)
	r := first.request
	if c.in(15) {
		r = w.newRequest(c)
		r.Key = first.request.Key
	}
	r.Queue = c.in(60)
	w.submit(c, w.single(r))
}

func (w *world) cancel(c chance) {
	submitted := w.journal.state.View().Counts().Submitted
	if submitted == 0 {
		return
	}
	id := task.ID(1 + c.Uint64N(submitted))
	w.cancelOne(id)
}

func (w *world) cancelOne(id task.ID) {
	w.toLeader(func(m *master) {
		m.call(func(call *scheduler.Call) { w.rules.cancelled(id, call) }, func(call *scheduler.Call, _ time.Time) { m.core.Cancel(call, id) })
	})
}

func (w *world) drain(name string, drained bool) {
	w.toLeader(func(m *master) {
		m.call(func(*scheduler.Call) {}, func(call *scheduler.Call, _ time.Time) { m.core.Drain(call, name, drained) })
	})
}

// resize has a slave change its slots and records that, as dispatch.Dispatcher does.
func (w *world) resize(x *machine, slots int) {
	w.toLeader(func(m *master) {
		rec, ok := m.view().Slave(x.name)
		if !ok || rec.State != rec.Present() {
			return
		}
		stamp, told := m.stamp(), false
		ask := &scheduler.SlaveRequest{Kind: scheduler.RequestCancel, Incarnation: rec.Incarnation} // of nothing: it is fenced as a resize is
		w.carry(x, time.Second, func(answer func(scheduler.SlaveResponse)) {
			x.asked(stamp, ask, func(resp scheduler.SlaveResponse) {
				if resp.Err == nil {
					x.slots = slots
					resp.Availability = x.word()
				}
				answer(resp)
			})
		}, func(resp scheduler.SlaveResponse) {
			if told || resp.Err != nil {
				return
			}
			told = true
			r := task.Registration{
				Name: rec.Name, URL: rec.URL, Slots: slots, Incarnation: rec.Incarnation, Kinds: rec.Kinds, Labels: rec.Labels, Version: rec.Version,
			}
			m.call(func(*scheduler.Call) {}, func(call *scheduler.Call, now time.Time) { m.core.Register(call, r, resp.Availability, now) })
		})
	})
}

// toLeader has something done at the leader, if there is one.
func (w *world) toLeader(do func(m *master)) {
	if w.leader != nil {
		do(w.leader)
	}
}
