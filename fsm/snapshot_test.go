package fsm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"

	"muster/fsm/logpb"
	"muster/task"
)

func saved(t testing.TB, v *View) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := v.Save(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// small returns a state with something of everything.
func small(t testing.TB) *lab {
	t.Helper()
	l := newLab(t)
	place := l.register("a", "a1", 3)
	l.must(SubmitTask{Spec: expression(), Key: "k", Assign: &place})
	l.must(succeeded(attemptOf(l.task(1)), "2"))
	l.submit(expression(), &place)
	l.submit(once(), nil)
	l.must(PutMaster{ID: "m1", RaftAddress: "r", APIURL: "u", Commands: 9})
	return l
}

func TestLoadReplacesEverything(t *testing.T) {
	l := small(t)
	want := l.state.View()
	other := newLab(t)
	b := other.register("b", "b1", 1)
	for range 2 * blockSize {
		other.must(succeeded(attemptOf(other.submit(once(), &b)), "x"))
	}
	other.must(SubmitTask{Spec: once(), Key: "other", Assign: &b})
	other.must(PutMaster{ID: "m9"})
	if err := other.state.Load(bytes.NewReader(saved(t, want))); err != nil {
		t.Fatal(err)
	}
	got := other.state.View()
	if got.Fingerprint() != want.Fingerprint() || got.Index() != want.Index() {
		t.Error("the loaded state differs")
	}
	if _, ok := got.TaskByKey("other"); ok {
		t.Error("an old key is still known")
	}
	if x, ok := got.TaskByKey("k"); !ok || x.ID != 1 {
		t.Errorf("the key leads to %+v", x)
	}
	if got.Capacity() != want.Capacity() || !reflect.DeepEqual(got.Slaves(), want.Slaves()) {
		t.Errorf("the slaves are %+v", got.Slaves())
	}
	// It goes on as the saved one does, to the sealing of blocks and the next place.
	other.stamp = l.stamp
	for _, x := range []*lab{l, other} {
		place := x.register("c", "c1", 9)
		for range 2 * blockSize {
			x.must(succeeded(attemptOf(x.submit(once(), &place)), "x"))
		}
		x.must(succeeded(attemptOf(x.task(2)), "x"))
	}
	if l.state.View().Fingerprint() != other.state.View().Fingerprint() {
		t.Error("the same commands made different states")
	}
	if got, want := other.state.done.sealed.Len(), l.state.done.sealed.Len(); got != want || got == 0 {
		t.Errorf("%d blocks are sealed; want %d", got, want)
	}
}

func TestEmptyStateSurvives(t *testing.T) {
	s := New()
	if err := s.Load(bytes.NewReader(saved(t, New().View()))); err != nil {
		t.Fatal(err)
	}
	if s.View().Fingerprint() != New().View().Fingerprint() {
		t.Error("it differs")
	}
}

func TestDamagedSnapshotsAreRefused(t *testing.T) {
	l := small(t)
	good := saved(t, l.state.View())
	refuse := func(what string, i int, b []byte) {
		t.Helper()
		state := small(t).state
		before := state.View()
		if err := state.Load(bytes.NewReader(b)); err == nil {
			t.Fatalf("%s at byte %d of %d: loaded", what, i, len(good))
		}
		if state.View() != before {
			t.Fatalf("%s at byte %d: the state changed", what, i)
		}
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		refuse("a flipped bit", i, bad)
		refuse("cut short", i, good[:i])
	}
	refuse("something after the end", len(good), append(bytes.Clone(good), 0))
	refuse("twice", len(good), append(bytes.Clone(good), good...))
}

// frame makes a snapshot of records.
func frame(t testing.TB, records ...*logpb.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	s := saver{out: bufio.NewWriter(&b), sum: crc32.New(castagnoli())}
	s.write(magic())
	for _, r := range records {
		record, err := marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		s.put(func(e *encoder) { e.out = append(e.out, record...) })
	}
	s.write(s.sum.Sum(nil))
	if err := errors.Join(s.err, s.out.Flush()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSnapshotsThatContradictThemselvesAreRefused(t *testing.T) {
	type parts struct {
		header  *logpb.Header
		slaves  []*logpb.Slave
		masters []*logpb.Master
		tasks   []*logpb.Task
	}
	build := func() *parts { // what small would save
		v, c := small(t).state.View(), converter{}
		p := &parts{header: headerOut(v)}
		for _, x := range v.Slaves() {
			p.slaves = append(p.slaves, c.slaveOut(&x))
		}
		for _, x := range v.Masters() {
			p.masters = append(p.masters, masterOut(&x))
		}
		for _, x := range v.List(task.Query{}).Tasks {
			p.tasks = append(p.tasks, c.taskOut(&x))
		}
		return p
	}
	load := func(p *parts) error {
		var records []*logpb.Record
		if p.header != nil {
			records = append(records, &logpb.Record{Kind: &logpb.Record_Header{Header: p.header}})
		}
		for _, x := range p.slaves {
			records = append(records, &logpb.Record{Kind: &logpb.Record_Slave{Slave: x}})
		}
		for _, x := range p.masters {
			records = append(records, &logpb.Record{Kind: &logpb.Record_Master{Master: x}})
		}
		for _, x := range p.tasks {
			if x == nil {
				records = append(records, &logpb.Record{})
				continue
			}
			records = append(records, &logpb.Record{Kind: &logpb.Record_Task{Task: x}})
		}
		return New().Load(bytes.NewReader(frame(t, records...)))
	}
	if err := load(build()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says  string
		spoil func(*parts)
	}{
		{"another record is in its place", func(p *parts) { p.header = nil }},
		{"no slave, master or task", func(p *parts) { p.tasks[0] = nil }},
		{"it has 1 slaves and says 2", func(p *parts) { p.header.Slaves++; p.header.Masters-- }},
		{"it has 1 masters and says 2", func(p *parts) { p.header.Masters++; p.header.Tasks-- }},
		{"its tasks count", func(p *parts) { p.header.Done-- }},
		{"4 tasks were submitted and it has 3", func(p *parts) { p.header.Submitted++ }},
		{"there twice", func(p *parts) { p.slaves = append(p.slaves, p.slaves[0]); p.header.Slaves++ }},
		{"was never given", func(p *parts) { p.slaves[0].Order = 2 }},
		{"was never given", func(p *parts) { p.slaves[0].Order = 0 }},
		{"has no state", func(p *parts) { p.slaves[0].State = 0 }},
		{"slave state 5 is unknown", func(p *parts) { p.slaves[0].State = 5 }},
		{"has 1 tasks in progress and says 2", func(p *parts) { p.slaves[0].Busy = 2 }},
		{"there twice", func(p *parts) { p.masters = append(p.masters, p.masters[0]); p.header.Masters++ }},
		{"task 1 after task 1", func(p *parts) { p.tasks[1] = p.tasks[0] }},
		{"task 4 after task 2", func(p *parts) { p.tasks[2].Id = 4 }},
		{"task 0 after task 0", func(p *parts) { p.tasks[0].Id = 0 }},
		{"with the outcome", func(p *parts) { p.tasks[0].Outcome = 0 }},
		{"with the outcome", func(p *parts) { p.tasks[1].Outcome = 1 }},
		{"with the outcome", func(p *parts) { p.tasks[2].Status = 0 }},
		{"status 4 is unknown", func(p *parts) { p.tasks[2].Status = 4 }},
		{"has no incarnation", func(p *parts) { p.tasks[1].Incarnation = "a2" }},
		{"has no incarnation", func(p *parts) { p.tasks[1].Slave = "b" }},
	} {
		p := build()
		c.spoil(p)
		if err := load(p); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("the error is %v; want %q in it", err, c.says)
		}
	}
}

func TestForeignSnapshotsAreNamed(t *testing.T) {
	later := saved(t, New().View())
	later[len(snapshotMagic)]++
	for says, b := range map[string][]byte{
		"no snapshot of muster": []byte("PK\x03\x04 some archive"),
		"version is 2":          later,
		"cut short":             nil,
		"above the":             append(magic(), 0xff, 0xff, 0xff, 0xff, 0x7f),
	} {
		if err := New().Load(bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("the error is %v; want %q in it", err, says)
		}
	}
}

func TestSaveReportsAFullDisk(t *testing.T) {
	full := errors.New("disk full")
	if err := small(t).state.View().Save(failing{full}); !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestFingerprintCoversEveryField changes each field of everything that the state
// holds, one at a time.
func TestFingerprintCoversEveryField(t *testing.T) {
	local := map[string]bool{".LastSeenAt": true, ".Role": true, ".Voter": true} // known to one node alone
	hash := func(add func(f *fingerprint)) string {
		f := fingerprint{sum: sha256.New()}
		add(&f)
		f.flush()
		return string(f.sum.Sum(nil))
	}
	cover := func(x any, add func(f *fingerprint)) {
		before := hash(add)
		eachField(reflect.ValueOf(x).Elem(), "", func(path string, leaf reflect.Value) {
			keep := reflect.New(leaf.Type()).Elem()
			keep.Set(leaf)
			alter(leaf)
			if changed := hash(add) != before; changed == local[path] {
				t.Errorf("%T%s: fingerprint changed: %v", x, path, changed)
			}
			leaf.Set(keep)
		})
	}
	x, s, m := filled[task.Task](t), filled[task.Slave](t), filled[task.Master](t)
	cover(&x, func(f *fingerprint) { f.task(&x) })
	cover(&s, func(f *fingerprint) { f.slave(&s) })
	cover(&m, func(f *fingerprint) { f.master(&m) })

	v := View{tables: newTables()}
	v.index, v.lastSlave = 1, 2
	cover(&v.counts, func(f *fingerprint) { f.state(&v) })
	cover(&v.capacity, func(f *fingerprint) { f.state(&v) })
	cover(&v.index, func(f *fingerprint) { f.state(&v) })
	cover(&v.lastSlave, func(f *fingerprint) { f.state(&v) })
}
