package fsm

import (
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"muster/fsm/logpb"
	"muster/task"
)

// allCommands has one command of each type, every field filled.
func allCommands(t *testing.T) []Command {
	t.Helper()
	complete := filled[CompleteTask](t)
	complete.Result.ID, complete.Result.Attempt = complete.Attempt.ID, complete.Attempt.Attempt
	onConditions := filled[SubmitTask](t)
	plain := onConditions // all that the first version knew
	plain.Spec.Priority, plain.Spec.NotBefore, plain.Spec.Deadline, plain.Spec.BackoffMS = 0, task.Moment{}, task.Moment{}, 0
	plain.Spec.Labels, plain.Spec.Requires = nil, nil
	onTerms := plain
	onTerms.Spec.Priority = 1
	inFull := filled[RegisterSlave](t)
	register := inFull
	register.Registration.Labels, register.Registration.Version, register.InFull = nil, "", false
	commands := []Command{
		plain,
		filled[AssignTask](t),
		complete,
		filled[GiveUpAttempt](t),
		register,
		filled[LoseSlave](t),
		filled[LeaveSlave](t),
		filled[PutMaster](t),
		filled[RemoveMaster](t),
		filled[CancelTask](t),
		filled[DrainSlave](t),
		filled[UndrainSlave](t),
		filled[RemoveSlave](t),
		onTerms,
		filled[ForgetTasks](t),
		onConditions,
		filled[ExpireTask](t),
		inFull,
	}
	for i, c := range commands {
		if c.Number() != Number(i+1) {
			t.Fatalf("%T has the number %d; want %d", c, c.Number(), i+1)
		}
	}
	if len(commands) != int(HighestNumber) {
		t.Fatalf("the test has %d commands, of %d", len(commands), HighestNumber)
	}
	return commands
}

func TestEveryFieldOfEveryCommandSurvivesTheLog(t *testing.T) {
	for _, c := range allCommands(t) {
		want := Envelope{Term: 7, Stamp: -5, Proposals: []Proposal{{Term: 6, Command: c}, {Command: c}}}
		entry, err := Encode(want)
		if err != nil {
			t.Fatalf("%T: %v", c, err)
		}
		got, err := Decode(entry)
		if err != nil {
			t.Fatalf("%T: %v", c, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%T came back changed\n got %+v\nwant %+v", c, got, want)
		}
	}
}

func TestAnEmptyEnvelopeSurvivesTheLog(t *testing.T) {
	entry, err := Encode(Envelope{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(entry)
	if err != nil || !reflect.DeepEqual(got, Envelope{}) {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestZeroCommandsSurviveTheLog(t *testing.T) {
	for _, c := range allCommands(t) {
		zero, ok := reflect.TypeAssert[Command](reflect.Zero(reflect.TypeOf(c)))
		if !ok {
			t.Fatalf("%T is no command", c)
		}
		want := Envelope{Proposals: []Proposal{{Command: zero}}}
		entry, err := Encode(want)
		if err != nil {
			t.Fatalf("%T: %v", c, err)
		}
		if got, err := Decode(entry); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%T: got %+v, %v", c, got, err)
		}
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	mismatch := filled[CompleteTask](t)
	mismatch.Result.ID = mismatch.Attempt.ID + 1
	for name, c := range map[string]Command{
		"no command":          nil,
		"foreign type":        foreign{},
		"unknown outcome":     CompleteTask{Result: task.Result{Outcome: 6}},
		"unknown value type":  SubmitTask{Spec: task.Spec{Parameters: []task.Parameter{{Value: task.Value{Type: 4}}}}},
		"negative slots":      RegisterSlave{Registration: task.Registration{Slots: -1}},
		"labels, not in full": RegisterSlave{Registration: task.Registration{Labels: []task.Label{{Name: "zone"}}}},
		"another's result":    mismatch,
	} {
		if _, err := Encode(Envelope{Proposals: []Proposal{{Command: c}}}); err == nil {
			t.Errorf("%s: encoded", name)
		}
		if _, err := Measure([]Proposal{{Command: c}}); err == nil {
			t.Errorf("%s: measured", name)
		}
	}
}

type foreign struct{}

func (foreign) Number() Number { return 1 }

func TestDecodeStopsAtWhatItDoesNotKnow(t *testing.T) {
	item := func(n Number, m proto.Message) *logpb.Envelope {
		body, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return &logpb.Envelope{Version: EnvelopeVersion, Items: []*logpb.Item{{Number: uint32(n), Body: body}}}
	}
	for _, c := range []struct {
		name string
		e    *logpb.Envelope
		says string
	}{
		{"version 0", &logpb.Envelope{}, "version is 0"},
		{"a later version", &logpb.Envelope{Version: EnvelopeVersion + 1}, "version is 2"},
		{"number 0", item(0, &logpb.SubmitTask{}), "number 0: unknown"},
		{"a later number", item(HighestNumber+1, &logpb.SubmitTask{}), "number 19: unknown"},
		{"a later outcome", item(NumberCompleteTask, &logpb.CompleteTask{Outcome: 6}), "outcome 6 is unknown"},
		{"a negative outcome", item(NumberCompleteTask, &logpb.CompleteTask{Outcome: -1}), "outcome -1 is unknown"},
		{"a later value type", item(NumberCompleteTask, &logpb.CompleteTask{Value: &logpb.Value{Type: 4}}), "value type 4 is unknown"},
		{"a later priority", item(NumberSubmitTaskOnTerms, &logpb.SubmitTaskOnTerms{Terms: &logpb.Terms{Priority: 10}}), "out of range"},
		{"too many slots", item(NumberRegisterSlave, &logpb.RegisterSlave{Slots: 1 << 31}), "out of range"},
	} {
		entry, err := proto.Marshal(c.e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(entry); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got the error %v; want %q in it", c.name, err, c.says)
		}
	}
	if _, err := Decode([]byte{0xff}); err == nil {
		t.Error("garbage was decoded")
	}
}

// TestAnUnknownFieldStopsWhereverItIs plants an unknown field into every message
// that an envelope or a snapshot record can contain, one at a time.
func TestAnUnknownFieldStopsWhereverItIs(t *testing.T) {
	var c converter
	task, slave, master := filled[task.Task](t), filled[task.Slave](t), filled[task.Master](t)
	messages := []proto.Message{
		&logpb.Envelope{Items: []*logpb.Item{{}, {}}},
		&logpb.Record{Kind: &logpb.Record_Header{Header: &logpb.Header{}}},
		&logpb.Record{Kind: &logpb.Record_Task{Task: c.taskOut(&task)}},
		&logpb.Record{Kind: &logpb.Record_Slave{Slave: c.slaveOut(&slave)}},
		&logpb.Record{Kind: &logpb.Record_Master{Master: masterOut(&master)}},
	}
	for _, command := range allCommands(t) {
		messages = append(messages, c.commandOut(command))
	}
	if c.err != nil {
		t.Fatal(c.err)
	}
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1)
	seen := make(map[protoreflect.FullName]bool)
	for _, m := range messages {
		whole := m.ProtoReflect()
		eachMessage(whole, func(part protoreflect.Message) {
			part.SetUnknown(unknown)
			b, err := proto.Marshal(m)
			part.SetUnknown(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := unmarshal(b, whole.New().Interface()); err == nil || !strings.Contains(err.Error(), "unknown field") {
				t.Errorf("an unknown field of %s in %s: got the error %v", part.Descriptor().FullName(), whole.Descriptor().FullName(), err)
			}
			seen[part.Descriptor().FullName()] = true
		})
	}
	all := logpb.File_fsm_logpb_log_proto.Messages()
	for i := range all.Len() {
		if name := all.Get(i).FullName(); !seen[name] {
			t.Errorf("the test never came by a %s", name)
		}
	}
}

func eachMessage(m protoreflect.Message, yield func(protoreflect.Message)) {
	yield(m)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				eachMessage(v.List().Get(i).Message(), yield)
			}
		default:
			eachMessage(v.Message(), yield)
		}
		return true
	})
}

func TestEveryFieldSurvivesASnapshotRecord(t *testing.T) {
	var c converter
	t1 := filled[task.Task](t)
	if got := c.taskIn(c.taskOut(&t1)); !reflect.DeepEqual(got, t1) {
		t.Errorf("the task came back changed\n got %+v\nwant %+v", got, t1)
	}
	s := filled[task.Slave](t)
	s.LastSeenAt = 0 // the leader's alone
	if got := c.slaveIn(c.slaveOut(&s)); !reflect.DeepEqual(got, s) {
		t.Errorf("the slave came back changed\n got %+v\nwant %+v", got, s)
	}
	m := filled[task.Master](t)
	m.Role, m.Voter = 0, false // Raft's knowledge
	if got := masterIn(masterOut(&m)); !reflect.DeepEqual(got, m) {
		t.Errorf("the master came back changed\n got %+v\nwant %+v", got, m)
	}
	if c.err != nil {
		t.Error(c.err)
	}
}

// TestEnumerationsHaveTheNumbersOfTheLog guards the log against a new order of
// constants in package task.
func TestEnumerationsHaveTheNumbersOfTheLog(t *testing.T) {
	compare := func(what string, names map[int32]string, name func(i int) string) {
		for i, full := range names {
			short := strings.ToLower(strings.TrimPrefix(full, what+"_"))
			if i == 0 {
				short = ""
			}
			if got := name(int(i)); got != short {
				t.Errorf("%s is %q in package task", full, got)
			}
		}
		if got := name(len(names)); got != "unknown" {
			t.Errorf("package task has the %s %q, which the log does not have", strings.ToLower(what), got)
		}
	}
	compare("STATUS", logpb.Status_name, func(i int) string { return task.Status(i).String() })
	compare("OUTCOME", logpb.Outcome_name, func(i int) string { return task.Outcome(i).String() })
	compare("VALUE_TYPE", logpb.ValueType_name, func(i int) string { return task.ValueType(i).String() })
	compare("SLAVE_STATE", logpb.SlaveState_name, func(i int) string { return task.SlaveState(i).String() })
}
