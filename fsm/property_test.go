package fsm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"muster/task"
)

// TestPromisesHoldForEveryLog drives the state with random commands, most of
// them sensible, many not, and checks after every entry what the state machine
// promises whatever the log. Logs grow with their number: the first that fails is
// a short one.
func TestPromisesHoldForEveryLog(t *testing.T) {
	seen := make(map[string]int)
	for seed := range uint64(80) {
		if !t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { prove(t, seed, seen) }) {
			return
		}
	}
	// A run proves nothing about what did not happen in it.
	for _, what := range []string{
		"submitted", "assigned", "given up", "done", "registered", "gone", "put", "removed",
		"known key", "sealed block", "succeeded", "failed", "lost",
		"stale_term", "stale_attempt", "not_pending", "key_reused", "task_not_found", "slave_not_found", "slave_not_alive",
		"wrong_incarnation", "slave_full", "master_not_found",
	} {
		if seen[what] < 10 {
			t.Errorf("%q was seen only %d times", what, seen[what])
		}
	}
}

func prove(t *testing.T, seed uint64, seen map[string]int) {
	t.Helper()
	p := &prover{
		lab: newLab(t), random: rand.New(rand.NewPCG(seed, 0)),
		mirror: make(map[task.ID]task.Task), busy: make(map[string]int), slots: make(map[string]int),
		pictures: make(map[*View]string), seen: seen,
	}
	entries := 1 + int(seed)
	snapshotAt := p.random.IntN(entries)
	var snapshot bytes.Buffer
	for i := range entries {
		p.step()
		if i%4 == 0 {
			p.checkAll()
		}
		if i == snapshotAt {
			if err := p.state.View().Save(&snapshot); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.checkAll()
	p.checkLists()
	if p.chance(50) {
		p.drain()
		p.checkAll()
		p.checkLists()
	}
	for v, was := range p.pictures {
		if v.Fingerprint() != was {
			t.Fatalf("the view at index %d changed after it was published", v.Index())
		}
	}
	p.checkReplicas(snapshot.Bytes())
	seen["sealed block"] += p.state.done.sealed.Len()
}

// prover applies random commands and knows, from the events alone, what every
// task must look like.
type prover struct {
	*lab
	random      *rand.Rand
	mirror      map[task.ID]task.Task
	busy, slots map[string]int   // by slave
	ended       int              // TaskDone events
	pictures    map[*View]string // fingerprints of earlier views
	seen        map[string]int   // how often what happened, in all logs
}

func (p *prover) chance(percent int) bool { return p.random.IntN(100) < percent }

func pick[T any](p *prover, from ...T) T { return from[p.random.IntN(len(from))] }

// step applies one entry and follows what it did.
func (p *prover) step() {
	before := p.state.View()
	if p.chance(10) {
		p.term++
	}
	proposals := make([]Proposal, p.random.IntN(25))
	for i := range proposals {
		proposals[i].Command = p.command(before)
		if p.chance(50) {
			proposals[i].Term = p.term
		} else if p.chance(5) {
			proposals[i].Term = p.term - 1
		}
	}
	for i, o := range p.propose(proposals...) {
		p.follow(proposals[i], o)
	}
	if p.chance(10) {
		p.pictures[p.state.View()] = p.state.View().Fingerprint()
	}
}

// drain brings every task to its end.
func (p *prover) drain() {
	place := Place{Slave: "s8", Incarnation: "1"}
	commands := []Command{RegisterSlave{Registration: registration(place.Slave, place.Incarnation, 10_000)}}
	v := p.state.View()
	for t := range v.InProgress {
		commands = append(commands, succeeded(attemptOf(t), "drained"))
	}
	for t := range v.Pending {
		a := task.Attempt{ID: t.ID, Attempt: t.Attempt + 1, Slave: place.Slave, Incarnation: place.Incarnation}
		commands = append(commands, AssignTask{Attempt: a}, succeeded(a, "drained"))
	}
	for i, o := range p.do(commands...) {
		p.follow(Proposal{Command: commands[i]}, o)
	}
	if counts := p.state.View().Counts(); counts.Done != counts.Submitted {
		p.t.Fatalf("after all was completed, the counts are %+v", counts)
	}
}

// follow brings the mirror up to date and checks each move of a task.
func (p *prover) follow(proposal Proposal, o Outcome) {
	stale := proposal.Term != 0 && proposal.Term != p.term
	if isStale := o.Err != nil && o.Err.Code == task.CodeStaleTerm; stale != isStale {
		p.t.Fatalf("a command of term %d came to %v in term %d", proposal.Term, o.Err, p.term)
	}
	if o.Err != nil && (o.Value != nil || o.Events != nil) {
		p.t.Fatalf("refused with %v, and yet: %+v", o.Err, o)
	}
	if o.Err != nil {
		p.seen[string(o.Err.Code)]++
	}
	if submitted, ok := o.Value.(Submitted); ok && submitted.Existing {
		p.seen["known key"]++
	}
	for _, e := range o.Events {
		p.seen[eventNames[e.Kind]]++
		if e.Slave != nil {
			p.slots[e.Slave.Name] = e.Slave.Slots
		}
		if e.Task == nil {
			continue
		}
		old, known := p.mirror[e.Task.ID]
		switch e.Kind {
		case TaskSubmitted:
			if known || e.Task.Status != task.Pending {
				p.t.Fatalf("submitted: %+v", e.Task)
			}
		case TaskAssigned:
			if old.Status != task.Pending || e.Task.Status != task.InProgress || e.Task.Attempt != old.Attempt+1 {
				p.t.Fatalf("assigned: %+v, was %+v", e.Task, old)
			}
			if p.busy[e.Task.Slave]++; p.busy[e.Task.Slave] > p.slots[e.Task.Slave] {
				p.t.Fatalf("slave %s got its task number %d on %d slots", e.Task.Slave, p.busy[e.Task.Slave], p.slots[e.Task.Slave])
			}
		case TaskGivenUp, TaskDone:
			if current, ok := old.Current(); !ok || current != e.Attempt {
				p.t.Fatalf("attempt %+v ended %+v", e.Attempt, old)
			}
			p.busy[old.Slave]--
			want := task.Pending
			if e.Kind == TaskDone {
				want = task.Done
				p.ended++
				p.seen[e.Task.Outcome.String()]++
			}
			if e.Task.Status != want || (e.Task.Outcome != task.NoOutcome) != (want == task.Done) {
				p.t.Fatalf("ended as %+v", e.Task)
			}
		default:
			p.t.Fatalf("event %d has a task", e.Kind)
		}
		if known && (!reflect.DeepEqual(e.Task.Spec, old.Spec) || e.Task.Key != old.Key || e.Task.Tries < old.Tries) {
			p.t.Fatalf("spec, key or tries changed: %+v, was %+v", e.Task, old)
		}
		p.mirror[e.Task.ID] = *e.Task
	}
}

// checkAll compares the whole view with the mirror, and each counter with what
// it counts.
func (p *prover) checkAll() {
	v := p.state.View()
	counts := task.Counts{Submitted: uint64(len(p.mirror))}
	busy := make(map[string]int)
	byStatus := make(map[task.Status][]task.ID)
	for id := task.ID(1); id <= task.ID(len(p.mirror)); id++ {
		want, ok := p.mirror[id]
		if !ok {
			p.t.Fatalf("%d tasks, and none has the id %d", len(p.mirror), id)
		}
		got, _ := v.Task(id)
		if !reflect.DeepEqual(got, want) {
			p.t.Fatalf("task %d is\n%+v, its events said\n%+v", id, got, want)
		}
		if byKey, _ := v.TaskByKey(got.Key); got.Key != "" && byKey.ID != id {
			p.t.Fatalf("the key of task %d leads to task %d", id, byKey.ID)
		}
		byStatus[got.Status] = append(byStatus[got.Status], id)
		if got.Status == task.InProgress {
			busy[got.Slave]++
		}
	}
	counts.Pending, counts.InProgress = uint64(len(byStatus[task.Pending])), uint64(len(byStatus[task.InProgress]))
	counts.Done = uint64(len(byStatus[task.Done]))
	if v.Counts() != counts || counts.Done != uint64(p.ended) {
		p.t.Fatalf("the counts are %+v; there are %+v, and %d have ended", v.Counts(), counts, p.ended)
	}
	if got := ids(v.Pending); !slices.Equal(got, byStatus[task.Pending]) {
		p.t.Fatalf("pending yields %v of %v", got, byStatus[task.Pending])
	}
	if got := ids(v.InProgress); !slices.Equal(got, byStatus[task.InProgress]) {
		p.t.Fatalf("in progress yields %v of %v", got, byStatus[task.InProgress])
	}
	p.checkSlaves(v, busy)
}

func (p *prover) checkSlaves(v *View, busy map[string]int) {
	var capacity task.Capacity
	order := uint64(0)
	for _, slave := range v.Slaves() {
		if slave.Order <= order {
			p.t.Fatalf("slave %s is out of order", slave.Name)
		}
		order = slave.Order
		held := 0
		v.Held(slave.Name, func(t task.Task) bool {
			if t.Slave != slave.Name || t.Incarnation != slave.Incarnation || t.Status != task.InProgress {
				p.t.Fatalf("%+v is held by %+v", t, slave)
			}
			held++
			return true
		})
		if slave.Busy != busy[slave.Name] || slave.Busy != held {
			p.t.Fatalf("slave %s is busy with %d; it has %d and holds %d", slave.Name, slave.Busy, busy[slave.Name], held)
		}
		if slave.State == task.SlaveAlive {
			capacity.Slaves++
			capacity.Slots += slave.Slots
			capacity.Busy += slave.Busy
		} else if slave.Busy > 0 {
			p.t.Fatalf("slave %s is %s and busy", slave.Name, slave.State)
		}
	}
	if v.Capacity() != capacity {
		p.t.Fatalf("the capacity is %+v and should be %+v", v.Capacity(), capacity)
	}
}

// checkLists pages through random queries and compares with a plain filter.
func (p *prover) checkLists() {
	v := p.state.View()
	for range 6 {
		q := task.Query{
			Status:     task.Status(p.random.IntN(4)),
			Outcome:    task.Outcome(p.random.IntN(6) * p.random.IntN(2)),
			Slave:      pick(p, "", "", "s0", "s1", "s9"),
			Descending: p.chance(50),
			Limit:      1 + p.random.IntN(50),
		}
		var want []task.Task
		for id := task.ID(1); id <= task.ID(len(p.mirror)); id++ {
			if t := p.mirror[id]; q.Matches(&t) {
				want = append(want, t)
			}
		}
		if q.Descending {
			slices.Reverse(want)
		}
		var got []task.Task
		for {
			page := v.List(q)
			if len(page.Tasks) > q.Limit {
				p.t.Fatalf("%+v gave %d tasks", q, len(page.Tasks))
			}
			got = append(got, page.Tasks...)
			if q.After = page.Next; page.Next == 0 {
				break
			}
		}
		if !reflect.DeepEqual(got, want) {
			p.t.Fatalf("%+v gave %d tasks, and %d match", q, len(got), len(want))
		}
	}
}

// checkReplicas compares the live state with one that replays the log, one that
// loads a snapshot, and one that loads an earlier snapshot and replays the rest.
func (p *prover) checkReplicas(earlier []byte) {
	want := p.state.View().Fingerprint()
	replayed := New()
	for _, e := range p.log {
		e.applyTo(p.t, replayed)
	}
	if replayed.View().Fingerprint() != want {
		p.t.Fatal("the replayed state differs from the live one")
	}
	var now bytes.Buffer
	if err := replayed.View().Save(&now); err != nil {
		p.t.Fatal(err)
	}
	for name, snapshot := range map[string][]byte{"a snapshot of now": now.Bytes(), "an earlier snapshot": earlier} {
		if snapshot == nil {
			continue
		}
		restored := New()
		restored.Apply(1, 1, Envelope{Proposals: []Proposal{{Command: SubmitTask{Key: "k1"}}}}) // to be replaced
		if err := restored.Load(bytes.NewReader(snapshot)); err != nil {
			p.t.Fatalf("%s: %v", name, err)
		}
		for _, e := range p.log {
			if e.index > restored.View().Index() {
				e.applyTo(p.t, restored)
			}
		}
		if restored.View().Fingerprint() != want {
			p.t.Fatalf("the state from %s differs from the live one", name)
		}
	}
}

// command draws a command, most often one that fits the view.
func (p *prover) command(v *View) Command {
	switch n := p.random.IntN(100); {
	case n < 26:
		return p.submit(v)
	case n < 49:
		return AssignTask{Attempt: p.next(v)}
	case n < 84:
		return p.complete(v)
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

func (p *prover) submit(v *View) Command {
	key := p.random.IntN(200)
	n := key % 6 // most often the same spec for the same key
	if p.chance(10) {
		n = p.random.IntN(6)
	}
	x := SubmitTask{Spec: task.Spec{
		Kind: []string{task.KindExpression, "once"}[n%2], Expression: fmt.Sprint("1+", n), MaxTries: 1 + uint32(n%3), Idempotent: n%2 == 0,
	}}
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
