package scheduler

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"muster/fsm"
	"muster/task"
)

// crowd is a core with many slaves, that is driven through simulated time. It
// watches what is under way, and how many slaves each plan has to look at.
type crowd struct {
	t     *testing.T
	core  *Core
	state *fsm.State
	index uint64
	now   time.Time

	under    []pendingAnswer // requests under way, by the time of their end
	silent   map[string]bool // slaves that do not answer
	dead     map[string]bool // slaves whose port refuses
	asked    map[string]time.Duration
	order    []string // slaves in the order in which they were first asked
	began    time.Time
	mostAt   [urgencies]int // requests under way at the same time
	mostSeen int            // slaves that one plan looked at
	lost     map[string]time.Duration
	answers  map[*Submit]time.Time
}

type pendingAnswer struct {
	at time.Time
	r  *SlaveRequest
	ok bool
}

const answerTime = 5 * time.Millisecond

func slaveName(i int) string { return fmt.Sprintf("s%05d", i) }

// newCrowd registers n slaves and gives each of the holders a task.
func newCrowd(t *testing.T, n int, holds func(i int) bool) *crowd {
	t.Helper()
	w := &crowd{
		t: t, state: fsm.New(), now: time.Unix(1000, 0),
		silent: map[string]bool{}, dead: map[string]bool{}, asked: map[string]time.Duration{}, lost: map[string]time.Duration{}, answers: map[*Submit]time.Time{},
	}
	w.began = w.now
	var registered, held []fsm.Command
	for i := range n {
		place := fsm.Place{Slave: slaveName(i), Incarnation: "i" + slaveName(i)}
		registered = append(registered, fsm.RegisterSlave{Registration: task.Registration{
			Name: place.Slave, URL: "http://" + place.Slave, Slots: 1, Incarnation: place.Incarnation,
			Kinds:  []task.Kind{{Name: task.KindExpression, Idempotent: true}},
			Labels: []task.Label{{Name: "name", Value: place.Slave}},
		}, InFull: true})
		if holds(i) {
			held = append(held, fsm.SubmitTask{Spec: task.Spec{Kind: task.KindExpression, Expression: "1", MaxTries: 3, Idempotent: true}, Assign: &place})
		}
	}
	w.apply(registered...)
	w.apply(held...)
	w.core = New(Config{Term: 1, QuestionTTL: time.Second}, Suspects{})
	w.begin()
	w.core.Rebuild(w.now)
	return w
}

// begin begins a turn; the cluster's clock is that of the stamps.
func (w *crowd) begin() { w.core.Begin(w.state.View(), task.Millis(w.now.UnixMilli())) }

func (w *crowd) apply(commands ...fsm.Command) []fsm.Outcome {
	w.t.Helper()
	w.index++
	e := fsm.Envelope{Term: 1, Stamp: task.Millis(w.now.UnixMilli())}
	for _, c := range commands {
		e.Proposals = append(e.Proposals, fsm.Proposal{Command: c})
	}
	outcomes := w.state.Apply(w.index, 1, e)
	for _, o := range outcomes {
		if o.Err != nil {
			w.t.Fatal(o.Err)
		}
	}
	return outcomes
}

// run goes on for a while, as the loop would.
func (w *crowd) run(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); ; {
		w.plan()
		next := end
		if wake := w.core.nextWake(); !wake.IsZero() && wake.Before(next) {
			next = wake
		}
		if len(w.under) > 0 && w.under[0].at.Before(next) {
			next = w.under[0].at
		}
		if !next.Before(end) {
			w.now = end
			return
		}
		w.now = later(w.now, next)
		w.begin()
		w.answer()
	}
}

// plan plans once and takes up what comes of it.
func (w *crowd) plan() {
	w.t.Helper()
	w.mostSeen = max(w.mostSeen, len(w.core.outbox.touched)+w.due(0))
	out := w.core.Plan(true, w.now)
	for i := range out.Requests {
		r := &out.Requests[i]
		name := r.slave.rec.Name
		if _, before := w.asked[name]; !before {
			w.asked[name] = w.now.Sub(w.began)
			w.order = append(w.order, name)
		}
		answer := pendingAnswer{w.now.Add(answerTime), r, true}
		if w.silent[name] {
			answer.at, answer.ok = w.now.Add(r.Timeout), false
		}
		w.insert(answer)
	}
	for u := range urgencies {
		w.mostAt[u] = max(w.mostAt[u], w.core.outbox.pacer.underWay[u])
	}
	for _, s := range out.Submits {
		w.answers[s] = w.now
	}
	var commands []fsm.Command
	for _, p := range out.Entry {
		commands = append(commands, p.Command)
		if lose, ok := p.Command.(fsm.LoseSlave); ok {
			w.lost[lose.Place.Slave] = w.now.Sub(w.began)
		}
	}
	if len(commands) > 0 {
		outcomes := w.apply(commands...)
		w.begin()
		w.core.Commit(true, outcomes, nil, w.now)
		w.plan()
	}
}

// due counts the slaves whose time has come, from a place in the heap down.
func (w *crowd) due(at int) int {
	if at >= len(w.core.liveness.dues) || w.core.liveness.dues[at].due.After(w.now) {
		return 0
	}
	return 1 + w.due(2*at+1) + w.due(2*at+2)
}

func (w *crowd) insert(a pendingAnswer) {
	at := len(w.under)
	for at > 0 && w.under[at-1].at.After(a.at) {
		at--
	}
	w.under = append(w.under, pendingAnswer{})
	copy(w.under[at+1:], w.under[at:])
	w.under[at] = a
}

// answer answers the requests whose time has come.
func (w *crowd) answer() {
	for len(w.under) > 0 && !w.under[0].at.After(w.now) {
		a := w.under[0]
		w.under = w.under[1:]
		resp := SlaveResponse{Availability: task.Availability{
			Incarnation: a.r.Incarnation, Slots: 1, Free: 1 - len(a.r.slave.held), Counter: a.r.heard + 1,
		}}
		for _, o := range a.r.Orders {
			resp.Receipts = append(resp.Receipts, task.Receipt{ID: o.ID, Attempt: o.Attempt, Status: task.Running})
		}
		if a.r.Kind == RequestHeld {
			for _, at := range a.r.slave.held {
				resp.Held = append(resp.Held, task.Held{ID: at.ID, Attempt: at.Attempt.Attempt})
			}
		}
		if !a.ok {
			resp = SlaveResponse{Err: errors.New("no answer")}
		}
		if w.dead[a.r.slave.rec.Name] {
			resp = SlaveResponse{Err: task.ErrRefused}
		}
		w.core.Answered(a.r, resp, w.now)
	}
}

// pace is the time in which a new leader asks so many slaves: a thousand a second.
func pace(slaves int) time.Duration {
	return time.Duration(slaves)*time.Millisecond + paceStep + answerTime
}

// TestANewLeaderAsksItsSlavesAtAPace: those that hold attempts first, then the rest,
// never more at once than is stated, and all within the time that is stated. No plan
// looks at more slaves because there are more.
func TestANewLeaderAsksItsSlavesAtAPace(t *testing.T) {
	t.Parallel()
	const slaves, holders = 10_000, 500
	w := newCrowd(t, slaves, func(i int) bool { return i%20 == 19 })
	w.run(pace(slaves))
	if len(w.asked) != slaves {
		t.Errorf("after %v %d of %d slaves were asked", pace(slaves), len(w.asked), slaves)
	}
	for i, name := range w.order[:holders] {
		if len(w.core.fleet.slaves[name].held) == 0 {
			t.Fatalf("slave %s was asked as number %d, before slaves that hold attempts", name, i+1)
		}
	}
	early := 0
	for _, at := range w.asked {
		if at < time.Second {
			early++
		}
	}
	if most := 1000 + paceMost; early > most {
		t.Errorf("in the first second %d slaves were asked, want at most %d", early, most)
	}
	if took := w.asked[w.order[holders-1]]; took > pace(holders) {
		t.Errorf("the attempts were sent again after %v, want %v", took, pace(holders))
	}
	if w.mostAt[urgentSteady] > maxSteady || w.mostAt[urgentTask] > 0 {
		t.Errorf("at once %d requests were under way that nobody waits for, and %d others; want at most %d and 0",
			w.mostAt[urgentSteady], w.mostAt[urgentTask], maxSteady)
	}
	if most := 2 * maxSteady; w.mostSeen > most {
		t.Errorf("a plan looked at %d slaves, want at most %d", w.mostSeen, most)
	}
	w.mostSeen = 0
	w.run(time.Minute)
	if most := 2 * maxSteady; w.mostSeen > most {
		t.Errorf("later a plan looked at %d slaves, want at most %d", w.mostSeen, most)
	}
	if len(w.lost) > 0 {
		t.Errorf("slaves that answer were lost: %v", w.lost)
	}
}

// TestATaskDoesNotWaitForTheOtherSlaves: a new leader finds a slave for it at once.
func TestATaskDoesNotWaitForTheOtherSlaves(t *testing.T) {
	t.Parallel()
	w := newCrowd(t, 10_000, func(int) bool { return false })
	w.run(100 * time.Millisecond)
	last := slaveName(9_999) // which was not asked yet
	spec := task.Spec{Kind: task.KindExpression, Expression: "1", MaxTries: 3, Requires: []task.Label{{Name: "name", Value: last}}}
	asked, s := w.now, NewSubmit(Request{Spec: spec})
	w.core.Submit(s, w.now)
	w.plan()
	if _, ok := w.asked[last]; !ok {
		t.Error("the slave that the task needs was not asked at once")
	}
	w.run(time.Second)
	placed, ok := w.answers[s]
	if !ok || s.Err != nil {
		t.Fatalf("answered: %t, with %v", ok, s.Err)
	}
	if placed.Sub(asked) > 2*answerTime {
		t.Errorf("the task was placed after %v, want %v", placed.Sub(asked), 2*answerTime)
	}
}

// TestSilentSlavesDoNotHoldUpTheOthers: of ten thousand slaves a thousand are silent.
// They are lost after the time-out, and nobody else is, who is asked as before.
func TestSilentSlavesDoNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	const slaves, silent = 10_000, 1_000
	w := newCrowd(t, slaves, func(int) bool { return false })
	for i := range silent {
		w.silent[slaveName(10*i)] = true
	}
	w.run(30 * time.Second)
	if len(w.asked) != slaves {
		t.Errorf("%d of %d slaves were asked", len(w.asked), slaves)
	}
	if len(w.lost) != silent {
		t.Errorf("%d slaves were lost, want %d", len(w.lost), silent)
	}
	for name, at := range w.lost {
		if !w.silent[name] || at < w.asked[name]+w.core.cfg.SlaveTimeout {
			t.Fatalf("slave %s was lost after %v, and first asked after %v; it is silent: %t", name, at, w.asked[name], w.silent[name])
		}
	}
	if w.mostAt[urgentSteady] > maxSteady || w.mostAt[urgentSilent]+w.mostAt[urgentLost] > 2*maxSilent {
		t.Errorf("under way at once: %v", w.mostAt)
	}
	before := len(w.lost)
	w.run(time.Minute)
	if len(w.lost) != before {
		t.Errorf("later %d slaves more were lost", len(w.lost)-before)
	}
	for name, s := range w.core.fleet.slaves {
		if since := w.now.Sub(s.seenAt); !w.silent[name] && since > 2*w.core.cfg.ProbeIdle {
			t.Fatalf("slave %s was not asked for %v", name, since)
		}
	}
}

// TestManyThatDieTogetherAreFoundAtAPace: of five thousand slaves that have a task
// five hundred die, and the connections of all break, as at a proxy that starts anew.
// Whoever is dead is found at the pace at which they are asked; nobody else is lost.
func TestManyThatDieTogetherAreFoundAtAPace(t *testing.T) {
	t.Parallel()
	const slaves, dead = 5_000, 500
	w := newCrowd(t, slaves, func(int) bool { return true })
	w.run(pace(slaves) + time.Second)
	began := w.now.Sub(w.began)
	for i := range dead {
		w.dead[slaveName(10*i)] = true
	}
	for i := range slaves {
		w.core.Broke("http://"+slaveName(i), w.now)
	}
	// A plan takes in all events that came together; after that it looks at few.
	w.plan()
	w.mostSeen, w.mostAt = 0, [urgencies]int{}
	w.run(pace(slaves) + pace(2*dead) + knockGap)
	if len(w.lost) != dead {
		t.Errorf("%d slaves were lost, want %d", len(w.lost), dead)
	}
	first := time.Hour
	for name, at := range w.lost {
		if !w.dead[name] {
			t.Fatalf("slave %s was lost, which answers", name)
		}
		first = min(first, at-began)
	}
	if first > knockGap+20*paceStep {
		t.Errorf("the first was found after %v", first)
	}
	if most := maxKnocks + maxSteady + maxSilent; w.mostSeen > most {
		t.Errorf("a plan looked at %d slaves, want at most %d", w.mostSeen, most)
	}
	if w.mostAt[urgentRefused]+w.mostAt[urgentBroken] > 2*maxKnocks || w.mostAt[urgentTask] > 0 {
		t.Errorf("under way at once: %v", w.mostAt)
	}
}
