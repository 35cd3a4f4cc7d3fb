package fsm

import (
	"bytes"
	"maps"
	"reflect"
	"slices"

	"muster/task"
)

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
		got, found := v.Task(id)
		if p.forgotten[id] {
			if byKey, _ := v.TaskByKey(want.Key); found || byKey.ID == id {
				p.t.Fatalf("forgotten task %d is there", id)
			}
			counts.Forgotten++
			counts.Done++
			continue
		}
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
	counts.Done += uint64(len(byStatus[task.Done]))
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
	declared := map[task.Kind]int{}
	for _, slave := range v.Slaves() {
		if slave.Order <= order {
			p.t.Fatalf("slave %s is out of order", slave.Name)
		}
		order = slave.Order
		for _, k := range slave.Kinds {
			if slave.State == task.SlaveAlive || slave.State == task.SlaveDraining {
				declared[k]++
			}
		}
		has := held(v, slave.Name)
		for _, t := range has {
			if t.Slave != slave.Name || t.Incarnation != slave.Incarnation || t.Status != task.InProgress {
				p.t.Fatalf("%+v is held by %+v", t, slave)
			}
		}
		if slave.Busy != busy[slave.Name] || slave.Busy != len(has) {
			p.t.Fatalf("slave %s is busy with %d; it has %d and holds %d", slave.Name, slave.Busy, busy[slave.Name], len(has))
		}
		switch {
		case slave.State == task.SlaveAlive && !slave.Drained:
			capacity.Slaves++
			capacity.Slots += slave.Slots
			capacity.Busy += slave.Busy
		case slave.State == task.SlaveDraining && slave.Drained: // finishes what it has
		case slave.State == task.SlaveAlive, slave.State == task.SlaveDraining, slave.Busy > 0:
			p.t.Fatalf("slave %s is %s, drained: %t, and busy with %d", slave.Name, slave.State, slave.Drained, slave.Busy)
		}
	}
	if v.Capacity() != capacity {
		p.t.Fatalf("the capacity is %+v and should be %+v", v.Capacity(), capacity)
	}
	if !maps.Equal(p.state.declared, declared) {
		p.t.Fatalf("of kinds is counted %+v; the slaves declare %+v", p.state.declared, declared)
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
			if t := p.mirror[id]; !p.forgotten[id] && q.Matches(&t) {
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
	p.checkReplay(replayed.View())
	for name, snapshot := range map[string][]byte{"a snapshot of now": now.Bytes(), "an earlier snapshot": earlier} {
		if snapshot == nil {
			continue
		}
		restored := New()
		restored.Replay(1, 1, Envelope{Proposals: []Proposal{{Command: SubmitTask{Key: "k1"}}}}) // to be replaced
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
		if !slices.Equal(keyed(restored.View()), keyed(replayed.View())) {
			p.t.Fatalf("the keys of the state from %s differ from the live ones", name)
		}
	}
}

// checkReplay replays a part of the log without outcomes, wherever it begins and ends.
func (p *prover) checkReplay(want *View) {
	state := New()
	from, to := p.random.IntN(len(p.log)+1), p.random.IntN(len(p.log)+1)
	for i, e := range p.log {
		envelope, err := Decode(e.data)
		if err != nil {
			p.t.Fatal(err)
		}
		if n := CountCommands(e.data); n != len(envelope.Proposals) {
			p.t.Fatalf("%d commands are counted of %d", n, len(envelope.Proposals))
		}
		if i < from || i >= to {
			state.Apply(e.index, e.term, envelope)
			continue
		}
		state.Replay(e.index, e.term, envelope)
		if p.chance(10) {
			state.Show()
		}
	}
	state.Show()
	v := state.View()
	if v.Fingerprint() != want.Fingerprint() {
		p.t.Fatal("the state after a replay without outcomes differs from the live one")
	}
	if !slices.Equal(keyed(v), keyed(want)) {
		p.t.Fatal("the keys after a replay without outcomes differ from the live ones")
	}
}
