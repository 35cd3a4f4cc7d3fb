package simulation

import (
	"errors"
	"slices"
	"time"

	"muster/cluster/dispatch/scheduler"
	"muster/fsm"
	"muster/task"
)

// master is one who leads, or believes it. It drives a core as dispatch.Dispatcher does.
type master struct {
	w        *world
	name     int
	term     uint64
	core     *scheduler.Core
	sequence *uint64 // of its requests; of one process in one term

	frozen  *fsm.View // what it sees, if it is cut off
	follows bool      // it hears what is committed
	flights []*flight // own entries that have not come back, oldest first
	applied []applied // entries that have not come back, in the log's order

	inputs    []func(now time.Time)
	questions []*question           // requests that have no answer
	refused   [][]*scheduler.Submit // who waits for a barrier
	submits   []*scheduler.Submit   // that have no answer
	calls     []openCall            // that have no answer

	stopped, ended bool
	turnDue        bool
	wake           uint64 // numbers the wake-ups; the newest counts
	idle           []time.Duration
	readyBefore    bool // at the last turn nothing was left over
}

// openCall is a call and who gets its answer.
type openCall struct {
	call   *scheduler.Call
	answer func(*scheduler.Call)
}

// applied is an entry that was applied.
type applied struct {
	flight   *flight // whose it is
	outcomes []fsm.Outcome
}

func newMaster(w *world, name int, term uint64, sequence *uint64) *master {
	cfg := w.script.settings
	cfg.Term = term
	m := &master{
		w: w, name: name, term: term, sequence: sequence, follows: true, core: scheduler.New(cfg, scheduler.Suspects{}),
	}
	m.core.Begin(m.view(), w.clock())
	m.core.Rebuild(w.time())
	m.wakeUp()
	return m
}

func (m *master) view() *fsm.View {
	if m.frozen != nil {
		return m.frozen
	}
	return m.w.journal.state.View()
}

// put hands an input to the core, for its next turn.
func (m *master) put(input func(now time.Time)) {
	if m.ended {
		return
	}
	m.inputs = append(m.inputs, input)
	m.wakeUp()
}

// wakeUp has the master take a turn soon; what comes until then goes together.
func (m *master) wakeUp() {
	m.idle = nil
	if m.turnDue || m.ended {
		return
	}
	m.turnDue = true
	m.w.after(m.w.loops.between(0, 200*time.Microsecond), m.turn)
}

// landed takes in what has become of an own entry.
func (m *master) landed(f *flight, err error) {
	if f.done || m.frozen != nil {
		return
	}
	f.done, f.err = true, err
	m.wakeUp()
}

// entry is what has become of an entry.
type entry struct {
	own      bool
	outcomes []fsm.Outcome
	err      error
}

// next takes out the entry that comes back next, as cluster.Writer does.
func (m *master) next() (e entry, ok bool) {
	var first *flight
	if len(m.flights) > 0 {
		first = m.flights[0]
	}
	switch {
	case first != nil && !first.done, first == nil && len(m.applied) == 0:
		return entry{}, false
	case first != nil && first.err != nil:
		m.flights = m.flights[1:]
		return entry{own: true, err: first.err}, true
	}
	a := m.applied[0]
	m.applied = m.applied[1:]
	own := first != nil && a.flight == first
	if own {
		m.flights = m.flights[1:]
	}
	return entry{own: own, outcomes: a.outcomes}, true
}

// turn is one of the core's.
func (m *master) turn() {
	m.turnDue = false
	if m.ended {
		return
	}
	now := m.w.time()
	m.core.Begin(m.view(), m.w.clock())
	for e, ok := m.next(); ok; e, ok = m.next() {
		m.core.Commit(e.own, e.outcomes, e.err, now)
	}
	inputs := m.inputs
	m.inputs = nil
	for _, f := range inputs {
		f(now)
	}
	m.plan(now)
	if m.stopped && len(m.flights) == 0 && len(m.inputs) == 0 && len(m.questions) == 0 {
		m.end()
	}
}

func (m *master) plan(now time.Time) {
	ready := !m.stopped && len(m.flights) < 2
	out := m.core.Plan(ready, now)
	m.w.turns++
	m.carryOut(&out)
	if err := m.core.Check(m.followed()); err != nil {
		m.w.failf("the books of master %d disagree: %v", m.name, err)
	}
	m.readyBefore = ready
	if out.Broken != nil && !m.stopped {
		m.w.sayf("master %d can't go on: %v", m.name, out.Broken)
		m.w.dropLeader(m)
		m.stop()
	}
}

// followed tells whether the core was told of all that its view shows, and that was its
// own doing: what a later leader assigns, an earlier one does not note.
func (m *master) followed() bool {
	return (m.frozen != nil || m.term == m.w.journal.term) && len(m.applied) == 0 && !slices.ContainsFunc(m.flights, func(f *flight) bool { return f.outcomes != nil })
}

func (m *master) carryOut(out *scheduler.Outputs) {
	w := m.w
	if w.trace.on {
		w.sayf("master %d, term %d: %d proposals, %d requests, %d refused, %d submits, %d calls, heard %v, dropped %v, wake %v",
			m.name, m.term, len(out.Entry), len(out.Requests), len(out.Refused), len(out.Submits), len(out.Calls), out.Heard, out.Dropped, out.Wake.Sub(epoch))
		for _, p := range out.Entry {
			w.sayf("  proposes %s", describe(p.Command))
		}
		for _, n := range out.Notes {
			w.sayf("  note: %s %v", n.Text, n.Attrs)
		}
	}
	if len(out.Entry) > 0 {
		w.rules.decided(m, out.Entry)
		m.append(out.Entry)
	}
	for i := range out.Requests {
		m.ask(&out.Requests[i])
	}
	if len(out.Refused) > 0 {
		m.barrier(out.Refused)
	}
	for _, s := range out.Submits {
		m.answered(s)
	}
	for _, call := range out.Calls {
		at := slices.IndexFunc(m.calls, func(o openCall) bool { return o.call == call })
		if at < 0 {
			w.failf("a call is answered that is not open")
			continue
		}
		answer := m.calls[at].answer
		m.calls = slices.Delete(m.calls, at, at+1)
		answer(call)
	}
	m.sleep(out.Wake)
}

func (m *master) append(proposals []fsm.Proposal) {
	f := &flight{proposals: proposals}
	m.flights = append(m.flights, f)
	if m.w.leader == m {
		m.w.journal.append(m, f)
		return
	}
	f.dropped = true
	if m.frozen == nil {
		m.w.after(time.Millisecond, func() { m.landed(f, errLost) })
	}
}

// barrier finds out whether the master still leads.
func (m *master) barrier(refused []*scheduler.Submit) {
	m.refused = append(m.refused, refused)
	m.w.after(m.w.loops.between(200*time.Microsecond, 5*time.Millisecond), func() {
		if m.frozen == nil {
			m.stillLeads(refused, m.w.leader == m)
		}
	})
}

func (m *master) stillLeads(refused []*scheduler.Submit, leads bool) {
	at := slices.IndexFunc(m.refused, func(o []*scheduler.Submit) bool { return &o[0] == &refused[0] })
	if at < 0 {
		return
	}
	m.refused = slices.Delete(m.refused, at, at+1)
	m.put(func(time.Time) {
		var err error
		if !leads {
			err = errNoLead
		}
		m.core.StillLeads(refused, err)
	})
}

// submit hands in a request. It is answered once.
func (m *master) submit(s *scheduler.Submit, now time.Time) {
	m.submits = append(m.submits, s)
	m.core.Submit(s, now)
}

func (m *master) answered(s *scheduler.Submit) {
	at := slices.Index(m.submits, s)
	if at < 0 {
		m.w.failf("a submit is answered that is not open")
		return
	}
	m.submits = slices.Delete(m.submits, at, at+1)
	if o, ok := s.Batch.(*submission); ok {
		o.answered(s.Answer, s.Err)
	}
}

// call hands in a call. What comes of it goes to answer, unless the master crashes.
func (m *master) call(answer func(*scheduler.Call), do func(call *scheduler.Call, now time.Time)) {
	m.put(func(now time.Time) {
		call := &scheduler.Call{}
		m.calls = append(m.calls, openCall{call, answer})
		do(call, now)
	})
}

// sleep takes a turn when it is due, if nothing comes before.
func (m *master) sleep(until time.Time) {
	m.wake++
	if until.IsZero() || m.stopped {
		return
	}
	number := m.wake
	m.w.after(until.Sub(m.w.time()), func() {
		if m.wake != number || m.ended {
			return
		}
		m.busy()
		m.turn()
	})
}

// mostWakes is how many turns in a second a core may take for which nothing came.
const mostWakes = 250

func (m *master) busy() {
	m.idle = append(m.idle, m.w.now)
	if n := len(m.idle); n > mostWakes && m.idle[n-1]-m.idle[n-1-mostWakes] < time.Second {
		m.w.failf("master %d is in a circle: %d turns within a second, and nothing had come", m.name, mostWakes)
	}
}

var errStopped = errors.New("the request was given up")

// stop ends the core, as the loop's winding does: what is under way still comes in.
func (m *master) stop() {
	if m.stopped || m.ended {
		return
	}
	m.stopped = true
	now := m.w.time()
	m.core.Begin(m.view(), m.w.clock())
	m.core.Stop(now)
	m.plan(now)
	for _, q := range slices.Clone(m.questions) {
		q.answer(scheduler.SlaveResponse{Err: errStopped})
	}
	for _, refused := range slices.Clone(m.refused) {
		m.stillLeads(refused, false)
	}
	m.wakeUp()
}

// lose tells the master that it does not lead any more, and what became of its entries.
func (m *master) lose() {
	if m.ended {
		return
	}
	m.frozen = nil
	for _, f := range m.flights {
		switch {
		case f.done:
		case f.outcomes != nil && m.follows && m.w.loops.in(50):
			m.landed(f, nil)
		case f.dropped && m.w.loops.in(50):
			m.landed(f, errNoLead)
		default:
			m.landed(f, errLost)
		}
	}
	m.stop()
}

// end checks that nobody is left without an answer.
func (m *master) end() {
	m.ended, m.follows = true, false
	for _, s := range m.submits {
		m.w.failf("the submit of %s has no answer at the end of master %d", s.Spec.Expression, m.name)
	}
	for _, o := range m.calls {
		o.answer(&scheduler.Call{Err: errNoLead}) // it waited for a send, and has changed nothing
	}
	m.w.forget(m)
}

// crash ends the master without a word.
func (m *master) crash() {
	m.ended, m.follows = true, false
	for _, s := range m.submits {
		if o, ok := s.Batch.(*submission); ok {
			o.answered(scheduler.Answer{}, task.Refuse(task.CodeOutcomeUnknown, "the connection broke"))
		}
	}
	m.w.forget(m)
}
