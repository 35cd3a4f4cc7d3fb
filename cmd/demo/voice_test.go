package demo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"muster/api/client"
)

// heard collects what a voice says, on a terminal of 80 columns without colours.
func heard(tell func(v *voice)) string {
	var lines []string
	tell(&voice{width: func() int { return 80 }, line: func(l string) { lines = append(lines, l) }})
	return strings.Join(lines, "\n")
}

func TestNarration(t *testing.T) {
	answer := client.Submitted{
		Message: "Task successfully assigned to slave-3.",
		Asked: []client.Asked{
			{Slave: "slave-1", Answer: answerNotAvailable, From: "slave"},
			{Slave: "slave-2", Answer: "", From: "slave"},
			{Slave: "slave-9", Answer: "", From: "books"},
			{Slave: "slave-3", Answer: answerAvailable, From: "books"},
		},
	}
	began := time.Unix(1000, 0)
	result := "14"
	got := heard(func(v *voice) {
		v.act(2, "One task per slave")
		v.submitted("m1", answer)
		v.refused("m1", &client.Error{Status: 503, Code: client.CodeFullCapacity, Slots: 2, Busy: 2, Message: "no", Asked: []client.Asked{
			{Slave: "slave-1", Answer: answerNotAvailable, From: askedOverTheWire}, {Slave: "slave-2", Answer: answerNotAvailable, From: askedOverTheWire},
		}})
		v.refused("m1", &client.Error{Status: 400, Code: client.CodeInvalidExpression, Message: "1 parenthesis is not closed"})
		v.done(&client.Task{ID: 1, Result: &result, Slave: "slave-1", Attempt: 1, StartedAt: began, FinishedAt: began.Add(7030 * time.Millisecond)})
		v.done(&client.Task{ID: 2, Result: &result, Slave: "slave-2", Attempt: 2, StartedAt: began, FinishedAt: began.Add(time.Second)})
		v.done(&client.Task{ID: 3, Outcome: client.Failed, Error: "no tries left"})
		v.pass("it holds")
		v.fail("it holds not", "there was another")
	})
	want := strings.TrimPrefix(`

2. One task per slave
     m1 asks slave-1: are you available?  "I am not available."
     m1 asks slave-2: are you available?  (silence)
     m1 asks slave-9: are you available?  (not asked)
     m1 asks slave-3: are you available?  "I am available." (known, not asked)
     m1: Task successfully assigned to slave-3.
     m1 asks slave-1: are you available?  "I am not available."
     m1 asks slave-2: are you available?  "I am not available."
     m1: 503 full_capacity: 2 of 2 slots are busy.
     m1: 400 invalid_expression: 1 parenthesis is not closed
  task 1 is done: 14  (slave-1, 7.0 s)
  task 2 is done: 14  (slave-2, 1.0 s, attempt 2)
  task 3 is done, but failed: no tries left
  PASS  it holds
  FAIL  it holds not
        there was another`, "\n")
	if got != want {
		t.Errorf("heard\n%s\nwant\n%s", got, want)
	}
}

func TestStoryCountsItsChecks(t *testing.T) {
	s := &story{}
	got := heard(func(v *voice) {
		s.voice = v
		s.check(true, "one", "not told %d", 1)
		s.check(false, "two", "found %d", 2)
	})
	if s.passed != 1 || len(s.failed) != 1 || s.failed[0] != "two: found 2" || strings.Contains(got, "not told") {
		t.Errorf("%d passed, failed: %q; heard\n%s", s.passed, s.failed, got)
	}
}

func TestDialogueIs(t *testing.T) {
	answer := client.Submitted{Task: client.Task{Slave: "slave-2"}, Asked: []client.Asked{said("slave-1", answerNotAvailable), said("slave-2", answerAvailable)}}
	if !dialogueIs(answer, said("slave-1", answerNotAvailable), said("slave-2", answerAvailable)) {
		t.Error("the very dialogue is not itself")
	}
	books := answer
	books.Asked = []client.Asked{said("slave-1", answerNotAvailable), {Slave: "slave-2", Answer: answerAvailable, From: "books"}}
	elsewhere := answer
	elsewhere.Task.Slave = "slave-1"
	for what, wrong := range map[string]client.Submitted{"not asked over the wire": books, "given to another": elsewhere, "nobody asked": {}} {
		if dialogueIs(wrong, said("slave-1", answerNotAvailable), said("slave-2", answerAvailable)) {
			t.Errorf("%s, and not noticed", what)
		}
	}
}

func TestSettled(t *testing.T) {
	master := func(name string, role client.Role, term uint64, leader string) masterPicture {
		return masterPicture{name: name, runs: true, status: &client.Status{ID: name, Role: role, Term: term, LeaderID: leader, Ready: true}}
	}
	notReady := master("m2", client.RoleFollower, 2, "m1")
	notReady.status.Ready, notReady.status.NotReady = false, "it catches up"
	for _, c := range []struct {
		what    string
		masters []masterPicture
		leader  string
		says    string // empty: settled
	}{
		{"one leads, one follows", []masterPicture{master("m1", client.RoleLeader, 2, "m1"), master("m2", client.RoleFollower, 2, "m1")}, "m1", ""},
		{"nobody leads", []masterPicture{master("m1", client.RoleFollower, 2, "")}, "", "no master leads"},
		{"one is silent", []masterPicture{master("m1", client.RoleLeader, 2, "m1"), {name: "m2", runs: true}}, "m1", "m2 does not answer"},
		{"one is not ready", []masterPicture{master("m1", client.RoleLeader, 2, "m1"), notReady}, "m1", "m2 is not ready: it catches up"},
		{"one follows another", []masterPicture{master("m1", client.RoleLeader, 2, "m1"), master("m2", client.RoleFollower, 2, "m3")}, "m1", `m2 follows "m3", not m1`},
		{"an old leader does not know yet", []masterPicture{master("m1", client.RoleLeader, 2, "m1"), master("m2", client.RoleLeader, 3, "m2")}, "m2", `m1 follows "m1", not m2`},
	} {
		p := picture{masters: c.masters}
		if l := p.leader(); (l == nil) != (c.leader == "") || l != nil && l.name != c.leader {
			t.Errorf("%s: the leader is %+v, want %q", c.what, l, c.leader)
		}
		if err := p.settled(); (err == nil) != (c.says == "") || err != nil && err.Error() != c.says {
			t.Errorf("%s: %v, want %q", c.what, err, c.says)
		}
	}
}

func TestCheckScript(t *testing.T) {
	for _, c := range []struct {
		masters, slaves int
		ok              bool
	}{{3, 2, true}, {5, 2, true}, {1, 2, false}, {2, 2, false}, {3, 1, false}, {3, 3, false}} {
		// Neither stream is a terminal, so the story is told.
		err := Config{Masters: c.masters, Slaves: c.slaves}.CheckScript(strings.NewReader(""), &strings.Builder{})
		if (err == nil) != c.ok {
			t.Errorf("%d masters, %d slaves: %v", c.masters, c.slaves, err)
		}
	}
}

func TestStoryThatCannotBeginSaysWhy(t *testing.T) {
	var out strings.Builder
	cfg := Config{Masters: 3, Slaves: 2, Script: true, Stdout: &out, Executable: "/does/not/exist"}
	err := tellStory(t.Context(), cfg, cfg.Executable, t.TempDir())
	if !errors.Is(err, errStory) || !strings.Contains(err.Error(), "/does/not/exist") || !strings.Contains(out.String(), "FAIL  the story can't go on") {
		t.Errorf("%v, after\n%s", err, out.String())
	}
}
