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
		"submitted", "assigned", "given up", "done", "registered", "gone", "put", "removed", "stopped",
		"known key", "sealed block", "succeeded", "failed", "lost", "cancelled", "expired", "already_done", "slave_busy", "forgotten", "task_forgotten",
		"stale_term", "stale_attempt", "not_pending", "key_reused", "task_not_found", "slave_not_found", "slave_not_alive",
		"wrong_incarnation", "slave_full", "master_not_found", "labels_missing", "kind_conflict",
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
		mirror: make(map[task.ID]task.Task), forgotten: make(map[task.ID]bool), busy: make(map[string]int), slots: make(map[string]int), labels: make(map[string][]task.Label),
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
	forgotten   map[task.ID]bool
	busy, slots map[string]int          // by slave
	labels      map[string][]task.Label // by slave
	ended       int                     // TaskDone events
	pictures    map[*View]string        // fingerprints of earlier views
	seen        map[string]int          // how often what happened, in all logs
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
	able := registration(place.Slave, place.Incarnation, 10_000)
	able.Labels = []task.Label{{Name: "disk", Value: "ssd"}}
	commands := []Command{RegisterSlave{Registration: able, InFull: true}}
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
	if o.Err != nil && (o.Task != nil || o.Events != nil) {
		p.t.Fatalf("refused with %v, and yet: %+v", o.Err, o)
	}
	if o.Err != nil {
		p.seen[string(o.Err.Code)]++
	}
	if o.Existing {
		p.seen["known key"]++
	}
	if x, ok := proposal.Command.(ForgetTasks); ok && o.Err == nil {
		for id := task.ID(1); id <= x.UpTo; id++ {
			if p.mirror[id].Status == task.Done && !slices.Contains(x.Keep, id) && !p.forgotten[id] {
				p.forgotten[id] = true
				p.seen["forgotten"]++
			}
		}
	}
	for _, e := range o.Events {
		p.seen[eventNames[e.Kind]]++
		if e.Slave != nil {
			p.slots[e.Slave.Name] = e.Slave.Slots
			p.labels[e.Slave.Name] = e.Slave.Labels
		}
		if e.Task == nil {
			continue
		}
		e.Task = e.Then()
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
			if !task.HasLabels(p.labels[e.Task.Slave], e.Task.Spec.Requires) {
				p.t.Fatalf("assigned: %+v, whose slave has the labels %v", e.Task, p.labels[e.Task.Slave])
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
		case TaskStopped:
			current, running := old.Current()
			if old.Status == task.Done || current != e.Attempt || e.Task.Status != task.Done || e.Task.Outcome != task.Cancelled && e.Task.Outcome != task.Expired {
				p.t.Fatalf("stopped as %+v at %+v, was %+v", e.Task, e.Attempt, old)
			}
			if running {
				p.busy[old.Slave]--
			}
			p.ended++
			p.seen[e.Task.Outcome.String()]++
		default:
			p.t.Fatalf("event %d has a task", e.Kind)
		}
		if known && (!reflect.DeepEqual(e.Task.Spec, old.Spec) || e.Task.Key != old.Key || e.Task.Tries < old.Tries) {
			p.t.Fatalf("spec, key or tries changed: %+v, was %+v", e.Task, old)
		}
		p.mirror[e.Task.ID] = *e.Task
	}
}
