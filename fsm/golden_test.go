package fsm

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/task"
)

// goldenOut makes TestWriteGolden write the files of a new version of the log
// format. Files that are there already are never written again:
//
//	go test ./fsm -run WriteGolden -golden-out testdata/v2
var goldenOut = flag.String("golden-out", "", "write golden files into this directory, which must not exist")

// golden pins the files of testdata. They stand for the logs and snapshots on
// the disks of people's masters: every later build must understand them, and
// come to the same state. If a test of this file fails, what changed is the code
// that broke that promise (a message of package task that a done task keeps is
// part of it); never the file.
var golden = map[string]string{
	"v1/commands.log":         "16af441a61e6c9c2fc26eabcb03f00157cd0d640f58d976615ea8e99390da922",
	"v1/commands.fingerprint": "54fb76277fb284c455e220593313a40443da36995273e3ab60b0837fd4cc7638",
	"v1/commands.snapshot":    "1bbc30737c24715b630f4457067d3bd0cb9cab5952defc1a64a503c101d41374",
	"v2/commands.log":         "150efba9160e85afc4fcfd793d80eb2630e0b123909d977fd25fc9a4205c85a2",
	"v2/commands.fingerprint": "6e6c4cea30149cfab19168d1e0c25581409f88fd53df6af131b2c7ca34c4424b",
	"v2/commands.snapshot":    "2ecacfd2ea97956a7f4bba25912fddb6d3620e296240b29917ce29f4ecb74b65",
	"v3/commands.log":         "c11326bd70090889d4882d4a93fa552f0759bc0c5e7a40af28ca23e11d777961",
	"v3/commands.fingerprint": "c3b2741d402f8d7a510c09ffe131b74c187e32c4442381d9eeeb933f7de671cb",
	"v3/commands.snapshot":    "5c9f89cadafbc81d0d2d7031f2796d1be55fb2a2e1a3f099fdb69666b4396abe",
}

func TestGoldenFilesAreNeverChanged(t *testing.T) {
	found := 0
	err := filepath.WalkDir("testdata", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel("testdata", path)
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if name == "fuzz" {
				return filepath.SkipDir // what fuzzing found
			}
			return nil
		}
		found++
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != golden[name] {
			t.Errorf("%s has the sum %x; pinned is %q", name, sum, golden[name])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found != len(golden) {
		t.Errorf("testdata has %d files and %d are pinned", found, len(golden))
	}
}

// goldenVersions are the directories with the highest command that each knew.
var goldenVersions = map[string]Number{"v1": NumberRemoveMaster, "v2": NumberForgetTasks, "v3": NumberRegisterSlaveInFull}

func TestOldLogsComeToTheSameState(t *testing.T) {
	for version := range goldenVersions {
		s := New()
		for _, e := range readLog(t, "testdata/"+version+"/commands.log") {
			e.applyTo(t, s)
		}
		want := readFile(t, "testdata/"+version+"/commands.fingerprint")
		if got := s.View().Fingerprint() + "\n"; got != string(want) {
			t.Errorf("%s: the fingerprint is %s and was %s", version, got, want)
		}
	}
}

func TestOldSnapshotsComeToTheSameState(t *testing.T) {
	for version := range goldenVersions {
		s := New()
		if err := s.Load(bytes.NewReader(readFile(t, "testdata/"+version+"/commands.snapshot"))); err != nil {
			t.Fatal(err)
		}
		want := readFile(t, "testdata/"+version+"/commands.fingerprint")
		if got := s.View().Fingerprint() + "\n"; got != string(want) {
			t.Errorf("%s: the fingerprint is %s and was %s", version, got, want)
		}
	}
}

func TestGoldenLogHasEveryCommand(t *testing.T) {
	for version, highest := range goldenVersions {
		seen := make(map[Number]bool)
		for _, e := range readLog(t, "testdata/"+version+"/commands.log") {
			envelope, err := Decode(e.data)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range envelope.Proposals {
				seen[p.Command.Number()] = true
			}
		}
		for n := Number(1); n <= highest; n++ {
			if !seen[n] {
				t.Errorf("%s: command %d is not in the log", version, n)
			}
		}
	}
}

func TestWriteGolden(t *testing.T) {
	if *goldenOut == "" {
		t.Skip("-golden-out is not given")
	}
	if err := os.Mkdir(*goldenOut, 0o755); err != nil {
		t.Fatal(err)
	}
	l := goldenLab(t)
	var log strings.Builder
	for _, e := range l.log {
		fmt.Fprintf(&log, "%d %d %x\n", e.index, e.term, e.data)
	}
	for name, content := range map[string]string{
		"commands.log":         log.String(),
		"commands.fingerprint": l.state.View().Fingerprint() + "\n",
		"commands.snapshot":    string(saved(t, l.state.View())),
	} {
		if err := os.WriteFile(filepath.Join(*goldenOut, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Logf("%q: \"%x\",", name, sha256.Sum256([]byte(content)))
	}
}

// goldenLab applies every command, with and without effect.
func goldenLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	l.do(
		PutMaster{ID: "m1", RaftAddress: "10.0.0.1:7000", APIURL: "http://10.0.0.1:7001", Commands: 9},
		PutMaster{ID: "m2", RaftAddress: "10.0.0.2:7000", APIURL: "http://10.0.0.2:7001", Commands: 9},
		PutMaster{ID: "m3", RaftAddress: "10.0.0.3:7000", APIURL: "http://10.0.0.3:7001", Commands: 8},
		RemoveMaster{ID: "m2"},
		RemoveMaster{ID: "m4"},
	)
	a, b, c := l.register("slave-1", "a1", 2), l.register("slave-2", "b1", 3), l.register("slave-3", "c1", 1)

	// More than one block of done tasks, with results of each type and in words
	// that are not UTF-8.
	for i, value := range []task.Value{
		{Type: task.Number, Text: "9007199254740993"},
		{Type: task.Number, Text: "+Inf"},
		{Type: task.String, Text: "caf\xe9"},
		{Type: task.Boolean, Text: "true"},
	} {
		for j := range blockSize/4 + 1 {
			spec := expression()
			spec.Expression = fmt.Sprintf("x + %d", j)
			spec.Parameters = []task.Parameter{{Name: "x", Value: value}}
			l.do(SubmitTask{Spec: spec, Key: fmt.Sprintf("key-%d-%d", i, j), Assign: &a})
			done := l.task(task.ID(l.state.View().Counts().Submitted))
			l.do(CompleteTask{Attempt: attemptOf(done), Result: task.Result{
				ID: done.ID, Attempt: done.Attempt, Outcome: task.Succeeded, Value: value,
			}})
		}
	}
	l.term++
	l.do(
		SubmitTask{Spec: expression(), Key: "key-0-0", Assign: &a}, // another spec: refused
		SubmitTask{Spec: once(), Key: "waits"},
		SubmitTask{Spec: once(), Key: "waits"},
		SubmitTask{Spec: expression(), Assign: &Place{Slave: "slave-9", Incarnation: "x"}},
	)
	failed := l.submit(expression(), &b)
	l.do(CompleteTask{Attempt: attemptOf(failed), Result: task.Result{
		ID: failed.ID, Attempt: 1, Outcome: task.Failed, Error: "division by zero",
	}})
	retried := l.submit(expression(), &b)
	l.do(CompleteTask{Attempt: attemptOf(retried), Result: task.Result{
		ID: retried.ID, Attempt: 1, Outcome: task.Failed, Error: "the executor died", Retryable: true,
	}})
	l.do(AssignTask{Attempt: task.Attempt{ID: retried.ID, Attempt: 2, Slave: "slave-2", Incarnation: "b1"}})
	l.do(GiveUpAttempt{Attempt: attemptOf(l.task(retried.ID)), Reason: "refused: no_slot"})
	l.do(AssignTask{Attempt: task.Attempt{ID: retried.ID, Attempt: 3, Slave: "slave-2", Incarnation: "b1"}})
	l.do(GiveUpAttempt{Attempt: attemptOf(l.task(retried.ID)), Began: true, Reason: "gone"})

	twoOn := func(p Place) []task.Attempt {
		return []task.Attempt{attemptOf(l.submit(expression(), &p)), attemptOf(l.submit(once(), &p))}
	}
	begun := twoOn(b)
	l.submit(once(), &b)
	l.do(RegisterSlave{Registration: registration("slave-2", "b2", 4), Begun: begun})
	l.do(RegisterSlave{Registration: registration("slave-2", "b2", 4)})
	l.do(LoseSlave{Place: a, Reason: "slave slave-1 was silent for 5s", Begun: twoOn(a)})
	last := retryOf(failed.ID)
	last.MaxTries = 1
	l.do(LeaveSlave{Place: c, Begun: []task.Attempt{attemptOf(l.submit(last, &c))}})
	l.do(LoseSlave{Place: Place{Slave: "slave-2", Incarnation: "b1"}, Reason: "late"})
	l.propose(Proposal{Term: l.term - 1, Command: SubmitTask{Spec: once()}}, Proposal{Term: l.term, Command: SubmitTask{Spec: once()}})
	l.submit(expression(), &Place{Slave: "slave-2", Incarnation: "b2"})
	l.do()
	goldenLife(l)
	goldenConditions(l)
	return l
}

// goldenConditions is what the third version brought: moments, waits between tries,
// labels, expiring and slaves in full.
func goldenConditions(l *lab) {
	l.t.Helper()
	r := registration("slave-6", "f1", 4)
	r.Labels, r.Version = []task.Label{{Name: "disk", Value: "ssd"}, {Name: "zone", Value: "caf\xe9"}}, "1.2"
	l.do(RegisterSlave{Registration: r, InFull: true}, RegisterSlave{Registration: r, InFull: true})
	r.Name, r.Kinds = "slave-7", []task.Kind{{Name: "once", Idempotent: true}}
	l.do(RegisterSlave{Registration: r, InFull: true})
	f := Place{Slave: "slave-6", Incarnation: "f1"}
	spec := expression()
	spec.NotBefore, spec.Deadline, spec.BackoffMS = task.Moment{AfterMS: 500}, task.Moment{At: 90_000}, 50
	spec.Labels, spec.Requires = []task.Label{{Name: "team", Value: "maths"}}, r.Labels[:1]
	waiting, running := l.submit(spec, nil), l.submit(spec, &f)
	l.do(SubmitTask{Spec: spec, Assign: &Place{Slave: "slave-3", Incarnation: "c1"}})
	l.do(ExpireTask{ID: waiting.ID}, ExpireTask{ID: waiting.ID}, ExpireTask{ID: 99999})
	for range spec.MaxTries {
		current := l.task(running.ID)
		l.do(CompleteTask{Attempt: attemptOf(current), Result: task.Result{
			ID: current.ID, Attempt: current.Attempt, Outcome: task.Failed, Error: "try again", Retryable: true,
		}})
		l.do(AssignTask{Attempt: task.Attempt{ID: current.ID, Attempt: current.Attempt + 1, Slave: "slave-6", Incarnation: "f1"}})
	}
	expiring := l.submit(spec, &f)
	l.do(ExpireTask{ID: expiring.ID}, succeeded(attemptOf(expiring), "2"))
	spec.Priority = 3
	l.submit(spec, nil)
}

// goldenLife is what the second version brought: priorities, cancelling, draining,
// removing and forgetting.
func goldenLife(l *lab) {
	l.t.Helper()
	d, e := l.register("slave-4", "d1", 4), l.register("slave-5", "e1", 2)
	urgent := once()
	urgent.Priority = task.MaxPriority
	waiting, running := l.submit(urgent, nil), l.submit(urgent, &d)
	l.do(CancelTask{ID: waiting.ID}, CancelTask{ID: running.ID}, CancelTask{ID: running.ID}, CancelTask{ID: 99999})
	l.submit(urgent, nil)
	l.do(DrainSlave{Slave: "slave-4"}, DrainSlave{Slave: "slave-1"}, DrainSlave{Slave: "slave-9"}, UndrainSlave{Slave: "slave-1"}, UndrainSlave{Slave: "slave-9"})
	l.do(RegisterSlave{Registration: registration("slave-4", "d2", 4)})
	begun := attemptOf(l.submit(urgent, &e))
	l.submit(urgent, &e)
	l.do(ForgetTasks{UpTo: 10, Keep: []task.ID{2, 3}}, ForgetTasks{UpTo: 5})
	l.do(CancelTask{ID: 1})
	l.do(RemoveSlave{Slave: "slave-5"}, RemoveSlave{Slave: "slave-5", Force: true, Begun: []task.Attempt{begun}}, RemoveSlave{Slave: "slave-5"})
}

func retryOf(id task.ID) task.Spec {
	s := expression()
	s.RetryOf = id
	return s
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// readLog reads lines of index, term and the entry in hexadecimal.
func readLog(t testing.TB, path string) []entry {
	t.Helper()
	var log []entry
	for line := range strings.Lines(string(readFile(t, path))) {
		var e entry
		if _, err := fmt.Sscanf(line, "%d %d %x", &e.index, &e.term, &e.data); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		log = append(log, e)
	}
	return log
}
