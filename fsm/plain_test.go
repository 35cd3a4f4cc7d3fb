package fsm

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"muster/fsm/logpb"
	"muster/task"
)

// plainCommands are commands of all kinds, with every field set and with few.
func plainCommands(t *testing.T) []Command {
	t.Helper()
	return append(allCommands(t), SubmitTask{}, CompleteTask{}, RegisterSlave{}, ForgetTasks{UpTo: 1})
}

// TestWhatIsWrittenIsPlain: else a long log would take its old time, and no other test
// would tell.
func TestWhatIsWrittenIsPlain(t *testing.T) {
	for _, c := range plainCommands(t) {
		body, err := encodeCommand(c)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := plainCommand(c.Number(), body, new(knownPlaces)); !ok || !reflect.DeepEqual(got, c) {
			t.Errorf("plain: %v\n got %+v\nwant %+v", ok, got, c)
		}
	}
	want := filled[task.Task](t)
	if got, ok := plainTask(string(recordOf(t, want))); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("plain: %v\n got %+v\nwant %+v", ok, got, want)
	}
	entry, err := Encode(Envelope{Term: 1, Stamp: 2, Proposals: []Proposal{{Command: ForgetTasks{UpTo: 1}}, {Term: 3, Command: CancelTask{ID: 4}}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := plainEnvelope(entry); !ok {
		t.Error("an envelope with other commands is not plain")
	}
}

func recordOf(t *testing.T, x task.Task) []byte {
	t.Helper()
	var c converter
	record, err := marshal(&logpb.Record{Kind: &logpb.Record_Task{Task: c.taskOut(&x)}})
	if err != nil || c.err != nil {
		t.Fatal(err, c.err)
	}
	return record
}

// mutants calls do with every variant of b that differs in one byte, has one too few
// or one twice.
func mutants(b []byte, do func([]byte)) {
	do(b)
	for i := range b {
		for _, v := range []byte{0, 1, 0x7f, 0x80, 0xff, b[i] + 1, b[i] - 1, b[i] ^ 0x08, b[i] ^ 0x40} {
			m := bytes.Clone(b)
			m[i] = v
			do(m)
		}
		do(append(bytes.Clone(b[:i]), b[i+1:]...))
		do(append(bytes.Clone(b[:i+1]), b[i:]...))
		do(b[:i])
	}
	do(append(bytes.Clone(b), b...)) // protobuf merges the two
}

// TestBothDecodersAgree about what is accepted and what it is: another master may read
// the same log with the generated code alone.
func TestBothDecodersAgree(t *testing.T) {
	for _, c := range plainCommands(t) {
		entry, err := Encode(Envelope{Term: 1, Stamp: 2, Proposals: []Proposal{{Term: 1, Command: c}, {Command: CancelTask{ID: 4}}}})
		if err != nil {
			t.Fatal(err)
		}
		mutants(entry, func(b []byte) {
			got, err := Decode(b)
			want, refused := decode(b)
			if (err == nil) != (refused == nil) || !reflect.DeepEqual(got, want) {
				t.Fatalf("%x\n got %+v, %v\nwant %+v, %v", b, got, err, want, refused)
			}
		})
	}
	mutants(recordOf(t, filled[task.Task](t)), func(b []byte) {
		got, want := decodeRecord(b), decodeGenerated(b)
		if (got.err == nil) != (want.err == nil) || got.err == nil && !reflect.DeepEqual(got.task, want.task) {
			t.Fatalf("%x\n got %+v\nwant %+v", b, got, want)
		}
	})
}

// TestALongSnapshotIsLoadedWhole: in several chunks, with blocks that are whole and
// blocks that are not.
func TestALongSnapshotIsLoadedWhole(t *testing.T) {
	const tasks = 3 * chunkRecords
	s, places := benchState(10)
	s.Apply(2, 1, Envelope{Term: 1, Proposals: []Proposal{{Command: SubmitTask{Spec: benchSpec(1), Key: "waits"}}}})
	index := uint64(2)
	for id := 2; id <= tasks; id += 1000 {
		n := min(1000, tasks-id+1)
		s.Apply(index+1, 1, submitAll(id, n, places))
		done := completeAll(id, n, places)
		if id > 5000 && id < 6500 {
			done.Proposals = done.Proposals[100:] // these stay in progress
		}
		s.Apply(index+2, 1, done)
		index += 2
	}
	s.Apply(index+1, 1, Envelope{Term: 1, Proposals: []Proposal{{Command: ForgetTasks{UpTo: 700, Keep: []task.ID{70, 350}}}}})
	whole := saved(t, s.View())

	back := New()
	if err := back.Load(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	if back.View().Fingerprint() != s.View().Fingerprint() || !reflect.DeepEqual(back.doneIn, s.doneIn) {
		t.Error("it came back changed")
	}
	if a, b := s.done.sealed.Len(), back.done.sealed.Len(); a != b || b == 0 {
		t.Errorf("%d blocks were packed as a whole, and now %d are", a, b)
	}
	for _, id := range []task.ID{1, 70, 5003, tasks} {
		want, _ := s.View().Task(id)
		if got, ok := back.View().TaskByKey(want.Key); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("task %d by its key: %v, %+v", id, ok, got)
		}
	}
	for at := 100; at < len(whole); at += len(whole) / 17 {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x10
		for what, b := range map[string][]byte{"damaged": damaged, "cut short": whole[:at]} {
			if err := back.Load(bytes.NewReader(b)); err == nil {
				t.Errorf("%s at byte %d: it was loaded", what, at)
			}
		}
	}
	if got := fmt.Sprint(back.View().Counts()); got != fmt.Sprint(s.View().Counts()) {
		t.Errorf("what failed to load changed the state: %s", got)
	}
}
