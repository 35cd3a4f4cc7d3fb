package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestMain lets the test's binary stand in for muster: slaves start it for their
// evaluations, slave-test starts it as a slave, and a shell as any command.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"evaluate-child", "slave", "master", "tasks"}, os.Args[1]) {
		main()
	}
	os.Exit(m.Run())
}

// outcome is what one run of the command line left behind.
type outcome struct {
	code           int
	stdout, stderr string
}

// muster runs the command line as a user does, with nothing in the environment
// but env.
func muster(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr, env)
	return outcome{code, stdout.String(), stderr.String()}
}

func TestHelpIsAnAnswer(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"help"}, {"tasks"}, {"masters", "--help"}, {"submit", "-h"}} {
		o := muster(t, nil, args...)
		if o.code != exitOK || !strings.Contains(o.stdout, "Usage:") || o.stderr != "" {
			t.Errorf("muster %q: exit %d, stdout %q, stderr %q; want its help", args, o.code, o.stdout, o.stderr)
		}
	}
}

func TestWrongUsageExitsWith2AndSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		args string
		says string
	}{
		{"taks", `did you mean "tasks"?`},
		{"tasks lst", `"muster tasks" has no command "lst"; did you mean "list"?`},
		{"status --fingerprnt", "did you mean --fingerprint?"},
		{"status now", `"muster status" takes no arguments, but got "now"`},
		{"submit", "EXPRESSION is missing"},
		{"submit 2 + 3", "put quotes around"},
		{"submit -1+2", "an expression that begins with - goes after --"},
		{"submit 1 -p x", `-p "x" is not NAME=VALUE`},
		{"submit 1 -p x=1 -p x=2", `-p gives "x" twice`},
		{"submit 1 --timeout -1s", "can't be negative"},
		{"submit 1 -o yaml", `"yaml" is none of table, json, jsonl`},
		{"submit 1 --address 127.0.0.1:8101", "has no scheme; write http://127.0.0.1:8101"},
		{"tasks get", "ID is missing"},
		{"tasks get seven", `"seven" is not a task's id`},
		{"tasks wait 0", "not a task's id"},
		{"tasks cancel x", `"x" is not a task's id`},
		{"slaves drain", "NAME is missing"},
		{"slaves drain ..", `NAME ".." is not a name; it takes`},
		{"init master --id a/b --bootstrap", `--id "a/b" is not a name`},
		{"init master --masters a?b=10.0.0.1,m2=10.0.0.2 --id m2", `--masters "a?b" is not a name`},
		{"init slave --name ..", `--name ".." is not a name`},
		{"submit 1 --request-timeout 0s", "--request-timeout 0s must be above 0"},
		{"status --request-timeout -1s", "--request-timeout -1s must be above 0"},
		{"submit 1 --timeout 0s", "--timeout 0s must be above 0: leave it out"},
		{"submit 1 --max-tries 0", "--max-tries 0 must be above 0: leave it out"},
		{"submit 1 --not-before=", "--not-before is empty"},
		{"submit 1 --deadline=", "--deadline is empty"},
		{"submit 1 --backoff=", "--backoff is empty"},
		{"submit 1 --when-full=", "--when-full"},
		{"tasks list --status=", "--status is empty"},
		{"tasks list --outcome=", "--outcome is empty"},
		{"tasks list --order=", "--order is empty"},
		{"tasks list --cursor=", "--cursor is empty"},
		{"tasks watch --after=", "--after is empty"},
		{"tasks watch --for 0s", "--for 0s must be above 0: leave it out"},
		{"master --id m --data d --bootstrap --queue-limit 0", "--queue-limit 0 must be above 0"},
		{"master --id m --data d --bootstrap --min-free-disk 0", "--min-free-disk 0 must be above 0"},
		{"slave --name s --drain-timeout 0s", "--drain-timeout 0s must be above 0"},
		{"slave-test http://127.0.0.1:1 --patience 0s", "--patience 0s must be above 0"},
		{"slaves resize . 2", `NAME "." is not a name`},
		{"slaves remove a/b", `NAME "a/b" is not a name`},
		{"masters remove a/b", `ID "a/b" is not a name`},
		{"masters transfer ..", `ID ".." is not a name`},
		{"master --id a/b --data d --bootstrap", `--id "a/b" is not a name`},
		{"slave --name ..", `--name ".." is not a name`},
		{"slave --name s --label a?b=1", `--label has a label "a?b"`},
		{"submit 1 --label a?b=1", `--label has a label "a?b"`},
		{"submit 1 --require a=1,2", "without commas"},
		{"submit 1 --key=", "--key is empty"},
		{"submit 1 --key ü", "printable ASCII"},
		{"tasks wait 1 --for 0s", "must be above 0"},
		{"tasks list --status running", `"running" is none of pending, in_progress, done`},
		{"tasks list --key=", "--key is empty: leave it out to say nothing"},
		{"tasks list --id 1,0", "--id 0 is not a task's id"},
		{"tasks list --id one", "--id"},
		{"tasks list --submitted-after yesterday", "--submitted-after"},
		{"tasks export a b", "writes to one file"},
		{"tasks list --limit 0", "--all goes through all pages"},
		{"master --id m1", "needs --data"},
		{"master --id m1 --data d --bootstrap --join http://127.0.0.1:1", "--bootstrap and --join exclude each other"},
		{"slave", "needs --name"},
		{"slave --name s --slots 0", "a slave needs at least 1"},
		{"demo --masters 0", "--masters takes 1 to 7"},
		{"demo --script --masters 1", "there must be 3 of them"},
		{"status --config /does/not/exist", "read the configuration file (--config)"},
		{"status --log-level loud", `"loud" is none of debug, info, warn, error`},
	} {
		o := muster(t, nil, strings.Fields(c.args)...)
		if o.code != exitUsage || !strings.Contains(o.stderr, c.says) || !strings.Contains(o.stderr, "--help") {
			t.Errorf("muster %s: exit %d, stderr %q; want 2, saying %q and where to read on", c.args, o.code, o.stderr, c.says)
		}
		if o.stdout != "" {
			t.Errorf("muster %s: stdout has %q; it is for answers alone", c.args, o.stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	if o := muster(t, nil, "version"); o.code != exitOK || !strings.HasPrefix(o.stdout, "muster ") {
		t.Errorf("version: %+v", o)
	}
	if o := muster(t, nil, "version", "-o", "json"); o.code != exitOK || !strings.Contains(o.stdout, `"version": `) {
		t.Errorf("version -o json: %+v", o)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if o := muster(t, nil, "completion", shell); o.code != exitOK || !strings.Contains(o.stdout, "muster") {
			t.Errorf("completion %s: exit %d, %d bytes, %s", shell, o.code, len(o.stdout), o.stderr)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"__complete tasks list --status ", "pending in_progress done"},
		{"__complete tasks list -o ", "table json jsonl"},
		{"__complete masters r", "remove"},
	} {
		args := strings.Split(c.args, " ")
		o := muster(t, nil, args...)
		var words []string
		for line := range strings.Lines(o.stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			words = append(words, word)
		}
		for want := range strings.FieldsSeq(c.want) {
			if !slices.Contains(words, want) {
				t.Errorf("%q offers %q, without %q", c.args, words, want)
			}
		}
	}
}
