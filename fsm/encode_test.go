package fsm

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"muster/fsm/logpb"
	"muster/task"
)

// sparse returns the command with each of its leaves zeroed or not, by chance: what it
// has inside is absent, empty or whole.
func sparse[T Command](c T, random *rand.Rand) T {
	thin(reflect.ValueOf(&c).Elem(), random)
	return c
}

func thin(v reflect.Value, random *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for _, field := range v.Fields() {
			thin(field, random)
		}
	case reflect.Slice:
		few := reflect.MakeSlice(v.Type(), 0, v.Len())
		for i := range v.Len() {
			x := reflect.New(v.Type().Elem()).Elem()
			x.Set(v.Index(i))
			thin(x, random)
			if random.IntN(2) == 0 {
				few = reflect.Append(few, x)
			}
		}
		v.SetZero()
		if few.Len() > 0 {
			v.Set(few)
		}
	case reflect.Pointer:
		x := reflect.New(v.Type().Elem())
		x.Elem().Set(v.Elem())
		thin(x.Elem(), random)
		if v.SetZero(); random.IntN(2) == 0 {
			v.Set(x)
		}
	default:
		if random.IntN(2) == 0 {
			v.SetZero()
		}
	}
}

// sparseCommands are commands of all kinds with some of their fields.
func sparseCommands(t *testing.T, random *rand.Rand) []Command {
	t.Helper()
	complete := sparse(filled[CompleteTask](t), random)
	complete.Result.ID, complete.Result.Attempt = complete.Attempt.ID, complete.Attempt.Attempt
	register := sparse(filled[RegisterSlave](t), random)
	register.InFull = register.InFull || len(register.Registration.Labels) > 0 || register.Registration.Version != ""
	return []Command{
		sparse(filled[SubmitTask](t), random),
		sparse(filled[AssignTask](t), random),
		complete,
		sparse(filled[GiveUpAttempt](t), random),
		register,
		sparse(filled[LoseSlave](t), random),
		sparse(filled[LeaveSlave](t), random),
		sparse(filled[PutMaster](t), random),
		sparse(filled[RemoveMaster](t), random),
		sparse(filled[CancelTask](t), random),
		sparse(filled[DrainSlave](t), random),
		sparse(filled[UndrainSlave](t), random),
		sparse(filled[RemoveSlave](t), random),
		sparse(filled[ForgetTasks](t), random),
		sparse(filled[ExpireTask](t), random),
	}
}

// TestTheEncoderWritesWhatGeneratedCodeWould byte for byte: masters of earlier versions
// read it with that code, and checksums of a log are compared.
func TestTheEncoderWritesWhatGeneratedCodeWould(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	check := func(e Envelope) {
		t.Helper()
		want, err := encodeGenerated(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Encode(e)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%+v: %v\n got %x\nwant %x", e, err, got, want)
		}
		if cap(got) != len(got)+2 {
			t.Fatalf("an entry of %d bytes was thought to take %d", len(got), cap(got)-2)
		}
		back, err := Decode(got)
		if plain, ok := plainEnvelope(got); err != nil || !ok || !reflect.DeepEqual(back, e) || !reflect.DeepEqual(plain, e) {
			t.Fatalf("%+v came back as %+v, %v; plain: %v", e, back, err, ok)
		}
	}
	check(Envelope{})
	check(Envelope{Term: 1 << 63, Stamp: -1})
	all := Envelope{Term: 7, Stamp: 5}
	for _, c := range plainCommands(t) {
		check(Envelope{Term: 3, Stamp: 1 << 41, Proposals: []Proposal{{Command: c}, {Term: 1 << 20, Command: c}}})
		all.Proposals = append(all.Proposals, Proposal{Term: 7, Command: c})
	}
	check(all)
	long := filled[CompleteTask](t)
	long.Result.ID, long.Result.Attempt = long.Attempt.ID, long.Attempt.Attempt
	for _, n := range []int{0, 1, 100, 127, 128, 129, 16000, 16383, 16384, 16385, 1 << 21} { // a length gets longer
		long.Result.Value.Text = string(make([]byte, n))
		check(Envelope{Proposals: []Proposal{{Command: long}}})
	}
	for range 300 {
		e := Envelope{Term: random.Uint64N(3), Stamp: task.Millis(random.Int64())}
		for _, c := range sparseCommands(t, random) {
			e.Proposals = append(e.Proposals, Proposal{Term: random.Uint64N(2), Command: c})
		}
		check(e)
	}
}

// TestRecordsAreWrittenAsByGeneratedCode is the same of snapshots.
func TestRecordsAreWrittenAsByGeneratedCode(t *testing.T) {
	var c converter
	check := func(write func(*encoder), record *logpb.Record) {
		t.Helper()
		want, err := marshal(record)
		if err != nil || c.err != nil {
			t.Fatal(err, c.err)
		}
		var e encoder
		if write(&e); e.err != nil || !bytes.Equal(e.out, want) {
			t.Fatalf("%v: %v\n got %x\nwant %x", record, e.err, e.out, want)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		x, s, m := filled[task.Task](t), filled[task.Slave](t), filled[task.Master](t)
		if i > 0 {
			thin(reflect.ValueOf(&x).Elem(), random)
			thin(reflect.ValueOf(&s).Elem(), random)
			thin(reflect.ValueOf(&m).Elem(), random)
		}
		check(func(e *encoder) { e.task(&x) }, &logpb.Record{Kind: &logpb.Record_Task{Task: c.taskOut(&x)}})
		check(func(e *encoder) { e.slave(&s) }, &logpb.Record{Kind: &logpb.Record_Slave{Slave: c.slaveOut(&s)}})
		check(func(e *encoder) { e.master(&m) }, &logpb.Record{Kind: &logpb.Record_Master{Master: masterOut(&m)}})
	}
	v := small(t).state.View()
	check(func(e *encoder) { e.header(v) }, &logpb.Record{Kind: &logpb.Record_Header{Header: headerOut(v)}})
}

// TestSizesAreWhatCommandsTake in an entry: bounds are held against them.
func TestSizesAreWhatCommandsTake(t *testing.T) {
	for _, c := range plainCommands(t) {
		entry, err := Encode(Envelope{Proposals: []Proposal{{Term: 1 << 14, Command: c}}})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := Size(c), len(entry)-2; got != want { // the version comes before
			t.Errorf("%T: %d bytes; it takes %d", c, got, want)
		}
		if got, err := Measure([]Proposal{{Term: 1 << 14, Command: c}}); err != nil || got != len(entry) {
			t.Errorf("%T: %d bytes, %v; its entry has %d", c, got, err, len(entry))
		}
	}
}
