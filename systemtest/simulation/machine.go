package simulation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/task"
)

// machine is where a slave's process runs, and that process. It keeps the promises of
// docs/slave-protocol.md, as slave/worker does, but for the lies that it is told to tell.
type machine struct {
	w      *world
	setup  machineSetup
	name   string
	url    string
	chance chance

	up, paused, cut bool
	lie             lie
	waiting         []func() // what came while it was paused

	// Of the process that runs now.
	boots       int
	incarnation string
	slots       int
	leaving     bool
	fence       task.Stamp
	counter     uint64
	free        int // by its last word
	running     int
	asks        time.Duration // when a leader asked the last time
	runs        map[runKey]*execution
	highest     map[task.ID]uint32
	finished    []*execution // that have no verdict
	reporting   bool
	registering bool
	pause       time.Duration // before the next report
}

type runKey struct {
	id     task.ID
	number uint32
}

// execution is one attempt in a slave.
type execution struct {
	runKey
	state  runState
	result task.Result
}

type runState uint8

const (
	running runState = iota
	stopping
	finished     // its result waits for a verdict
	acknowledged // remembered
)

// lie is what a slave says that is not so.
type lie uint8

const (
	noLie        lie = iota
	saysFree         // always has a slot
	saysFull         // never has one
	refusesKinds     // does not run what it declared
	forgets          // lets attempts go that it had accepted
	stubborn         // does not end what it is told to stop, nor at the time-out
	lies
)

func newMachine(w *world, i int, setup machineSetup) *machine {
	x := &machine{w: w, setup: setup, name: fmt.Sprintf("s%d", i+1), chance: newChance(w.script.seed, 100+uint64(i))}
	x.url = "http://" + x.name
	return x
}

// boot starts the process anew.
func (x *machine) boot() {
	if x.up {
		return
	}
	x.up, x.paused, x.waiting, x.leaving = true, false, nil, false
	x.boots++
	x.incarnation, x.slots = fmt.Sprintf("%s#%d", x.name, x.boots), x.setup.slots
	x.fence, x.counter, x.free, x.running, x.asks, x.pause = task.Stamp{}, x.chance.Uint64N(1000), x.slots, 0, x.w.now, 0
	x.runs, x.highest, x.finished, x.reporting, x.registering = map[runKey]*execution{}, map[task.ID]uint32{}, nil, false, false
	x.w.sayf("%s starts as %s", x.name, x.incarnation)
	x.register()
	x.watch()
}

// kill ends the process.
func (x *machine) kill() {
	if !x.up {
		return
	}
	x.w.sayf("%s dies", x.name)
	x.up, x.paused = false, false
	for _, do := range x.waiting {
		do() // whoever comes then finds nobody
	}
	x.waiting = nil
	for _, m := range slices.Clone(x.w.masters) {
		m.put(func(now time.Time) { m.core.Broke(x.url, now) })
	}
}

// alive runs something of this process in a while, if it runs then; when it is paused,
// as soon as it goes on.
func (x *machine) later(d time.Duration, do func()) {
	boot := x.boots
	var try func()
	try = func() {
		switch {
		case !x.up || x.boots != boot:
		case x.paused:
			x.waiting = append(x.waiting, try)
		default:
			do()
		}
	}
	x.w.after(d, try)
}

// resume ends a pause.
func (x *machine) resume() {
	if !x.paused {
		return
	}
	x.paused = false
	waiting := x.waiting
	x.waiting = nil
	for _, do := range waiting {
		do()
	}
}

// asked answers a leader's request.
func (x *machine) asked(stamp task.Stamp, r *scheduler.SlaveRequest, answer func(scheduler.SlaveResponse)) {
	if x.paused {
		boot := x.boots
		x.waiting = append(x.waiting, func() {
			if x.up && x.boots == boot {
				x.asked(stamp, r, answer)
			} else {
				answer(scheduler.SlaveResponse{Err: errReset})
			}
		})
		return
	}
	if !stamp.Above(x.fence) {
		answer(scheduler.SlaveResponse{Err: task.ErrStaleStamp})
		return
	}
	x.fence, x.asks = stamp, x.w.now
	names := r.Kind == scheduler.RequestSend || r.Kind == scheduler.RequestCancel
	if names && r.Incarnation != x.incarnation {
		answer(scheduler.SlaveResponse{Err: task.ErrWrongIncarnation})
		return
	}
	var resp scheduler.SlaveResponse
	switch r.Kind {
	case scheduler.RequestSend:
		for _, o := range r.Orders {
			resp.Receipts = append(resp.Receipts, x.accept(o))
		}
	case scheduler.RequestHeld:
		resp.Held = x.held()
	case scheduler.RequestCancel:
		x.cancel(runKey{r.Cancel.ID, r.Cancel.Attempt})
	case scheduler.RequestAvailable, scheduler.RequestKnock:
	}
	resp.Availability = x.word()
	answer(resp)
}

// word is what the slave says of its slots.
func (x *machine) word() task.Availability {
	free := max(0, x.slots-x.running)
	if x.leaving || len(x.finished) > 50 || x.lie == saysFull {
		free = 0
	}
	if x.lie == saysFree {
		free = x.slots
	}
	if free != x.free {
		x.free = free
		x.counter++
	}
	return task.Availability{Incarnation: x.incarnation, Counter: x.counter, Free: free, Slots: x.slots}
}

// accept judges an order, and begins it if it may run.
func (x *machine) accept(o task.Order) task.Receipt {
	r := task.Receipt{ID: o.ID, Attempt: o.Attempt, Status: task.Refused}
	key := runKey{o.ID, o.Attempt}
	if e := x.runs[key]; e != nil {
		r.Status = task.Running
		if e.state == finished || e.state == acknowledged {
			r.Status, r.Result = task.Finished, e.result
		}
		return r
	}
	switch {
	case o.Attempt < x.highest[o.ID]:
		r.Reason = task.ReasonSuperseded
	case !slices.ContainsFunc(x.setup.kinds, func(k task.Kind) bool { return k.Name == o.Kind }) || x.lie == refusesKinds && x.chance.in(70):
		r.Reason = task.ReasonUnknownKind
	case x.leaving:
		r.Reason = task.ReasonDraining
	case x.running >= x.slots:
		r.Reason = task.ReasonNoSlot
	default:
		r.Status = task.Accepted
		x.start(o)
	}
	return r
}

func (x *machine) start(o task.Order) {
	e := &execution{runKey: runKey{o.ID, o.Attempt}}
	x.runs[e.runKey] = e
	x.highest[o.ID] = max(x.highest[o.ID], o.Attempt)
	x.running++
	x.w.sayf("%s begins attempt %d of task %d", x.incarnation, o.Attempt, o.ID)
	x.w.rules.began(x, o)
	limit := time.Duration(task.ExecutionLimit(o.TimeoutMS)) * time.Millisecond
	takes := x.chance.between(0, 200*time.Millisecond)
	if x.w.noisy(longTasks) && x.chance.in(20) {
		takes = x.chance.between(0, 2*limit)
	}
	result := task.Result{ID: o.ID, Attempt: o.Attempt, Outcome: task.Succeeded, Value: task.Value{Type: task.String, Text: fmt.Sprintf("%s of %d", o.Expression, o.Attempt)}}
	switch {
	case takes > limit:
		takes, result = limit, task.Result{ID: o.ID, Attempt: o.Attempt, Outcome: task.Failed, Error: "timed out"}
	case x.w.noisy(failingTasks) && x.chance.in(15):
		result = task.Result{ID: o.ID, Attempt: o.Attempt, Outcome: task.Failed, Error: "it failed", Retryable: x.chance.in(60)}
	}
	x.later(takes, func() { x.over(e, result) })
	if x.lie == forgets && x.chance.in(50) {
		x.later(x.chance.between(0, takes), func() { x.letGo(e) })
	}
}

// over ends an execution, unless it is stuck for as long as the slave is stubborn.
func (x *machine) over(e *execution, r task.Result) {
	switch {
	case x.lie == stubborn && x.chance.in(80):
		x.later(time.Second, func() { x.over(e, r) })
	case e.state == running:
		e.state, e.result = finished, r
		x.running--
		x.finished = append(x.finished, e)
		x.word()
		x.report()
	case e.state == stopping:
		e.state, e.result = acknowledged, task.Result{ID: e.id, Attempt: e.number, Outcome: task.Cancelled}
		x.running--
		x.word()
	}
}

// letGo drops an execution, as no good slave does. One that must not begin twice it
// keeps: against a slave that runs it twice by itself there is no help.
func (x *machine) letGo(e *execution) {
	if e.state != running || !x.w.rules.stories[e.id].spec.Idempotent {
		return
	}
	x.w.sayf("%s lets go of attempt %d of task %d", x.incarnation, e.number, e.id)
	e.state = acknowledged
	x.running--
	delete(x.runs, e.runKey)
	x.w.rules.letGo(x, e.runKey)
}

func (x *machine) cancel(key runKey) {
	if e := x.runs[key]; e != nil && e.state == running {
		e.state = stopping
		x.later(x.chance.between(0, 20*time.Millisecond), func() { x.over(e, task.Result{}) })
	}
}

func (x *machine) held() []task.Held {
	var out []task.Held
	keys := slices.SortedFunc(maps.Keys(x.runs), func(a, b runKey) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.number, b.number)) })
	for _, key := range keys {
		if e := x.runs[key]; e.state != acknowledged {
			out = append(out, task.Held{ID: key.id, Attempt: key.number, Finished: e.state == finished})
		}
	}
	return out
}
