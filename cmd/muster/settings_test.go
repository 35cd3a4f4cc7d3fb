package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func configFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "muster.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestPrecedence sets the same flag in more and more places: each wins over
// those before it.
func TestPrecedence(t *testing.T) {
	f := newFake(t, map[string]answer{"GET /v1/tasks": {0, `{"tasks":[],"counts":{"submitted":0,"pending":0,"in_progress":0,"done":0}}`}})
	file := configFile(t, "limit: 11\ntasks:\n  limit: 12\n  list:\n    limit: 13\n")
	top := configFile(t, "limit: 11\n")
	for _, c := range []struct {
		what string
		env  []string
		args []string
		want string
	}{
		{"the default", nil, nil, "limit=50"},
		{"the file", nil, []string{"--config", top}, "limit=11"},
		{"the command's own part of the file", nil, []string{"--config", file}, "limit=13"},
		{"the file that a variable names", []string{"MUSTER_CONFIG=" + top}, nil, "limit=11"},
		{"a variable", []string{"MUSTER_LIMIT=14"}, []string{"--config", file}, "limit=14"},
		{"an empty variable", []string{"MUSTER_LIMIT="}, []string{"--config", top}, "limit=11"},
		{"the command line", []string{"MUSTER_LIMIT=14"}, []string{"--config", file, "--limit", "15"}, "limit=15"},
		{"the command line, with the default's value", []string{"MUSTER_LIMIT=14"}, []string{"--limit", "50"}, "limit=50"},
	} {
		env := append([]string{"MUSTER_ADDRESS=" + f.URL, "MUSTER_OF_SOMEBODY_ELSE=1", "LIMIT=99"}, c.env...)
		o := muster(t, env, append([]string{"tasks", "list"}, c.args...)...)
		if o.code != exitOK {
			t.Errorf("%s: %+v", c.what, o)
			continue
		}
		if got := f.last(t).call; got != "GET /v1/tasks?"+c.want {
			t.Errorf("%s: asked %q, want %s", c.what, got, c.want)
		}
	}
}

func TestEveryKindOfFlagCanBeSetEverywhere(t *testing.T) {
	f := newFake(t, map[string]answer{"POST /v1/tasks": {201, submitted8}})
	// A list, a duration, a boolean, a word, a number, and a list of pairs.
	file := configFile(t, `
address: [`+f.URL+`, "http://127.0.0.1:1"]
submit:
  timeout: 90s
  explain: true
  max-tries: 2
  parameter: ["x=4", "s=a,b"]
output: jsonl
`)
	o := muster(t, nil, "submit", "x", "--config", file)
	if o.code != exitOK || strings.Count(o.stdout, "\n") != 1 || !strings.HasPrefix(o.stdout, "{") {
		t.Fatalf("%+v", o)
	}
	want := request{call: "POST /v1/tasks?explain=true", body: `{"expression":"x","max_tries":2,"parameters":{"s":"a,b","x":4},"timeout_ms":90000}`}
	if got := f.last(t); got.call != want.call || canonical(t, got.body) != want.body {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	env := []string{"MUSTER_ADDRESS=http://127.0.0.1:1," + f.URL, "MUSTER_TIMEOUT=90s", "MUSTER_EXPLAIN=true", "MUSTER_MAX_TRIES=2", "MUSTER_PARAMETER=x=4", "MUSTER_OUTPUT=json"}
	o = muster(t, env, "submit", "x")
	if o.code != exitOK || !strings.HasPrefix(o.stdout, "{\n") {
		t.Fatalf("%+v", o)
	}
	if got := f.last(t); got.call != want.call || canonical(t, got.body) != `{"expression":"x","max_tries":2,"parameters":{"x":4},"timeout_ms":90000}` {
		t.Errorf("sent %+v", got)
	}
}

func TestWrongSettingsNameTheirSource(t *testing.T) {
	for _, c := range []struct {
		file, env string
		says      []string
	}{
		{file: "adddress: http://127.0.0.1:1", says: []string{`unknown key "adddress"`, `the nearest known key is "address"`}},
		{file: "question_ttl: 1s", says: []string{`unknown key "question_ttl"`, `"question-ttl"`}},
		{file: "master:\n  api-lisen: x", says: []string{`unknown key "master.api-lisen"`, `"api-listen"`}},
		{file: "slave:\n  bootstrap: true", says: []string{`unknown key "slave.bootstrap"`}},
		{file: "mastr:\n  id: m1", says: []string{`unknown key "mastr"`, `"master"`}},
		{file: "zzzzzzzz: 1", says: []string{`unknown key "zzzzzzzz"`}},
		{file: "a: 1\nb: 2", says: []string{`unknown key "a"`, `unknown key "b"`}},
		{file: "log-level: loud", says: []string{`"log-level" in `, `"loud" is none of`}},
		{file: "log-level: [info, warn]", says: []string{"takes one value"}},
		{file: "log-level:", says: []string{`"log-level" in `, "has no value"}},
		{file: "- a list", says: []string{"read the configuration file"}},
		{env: "MUSTER_LOG_LEVEL=loud", says: []string{"MUSTER_LOG_LEVEL: ", `"loud" is none of`}},
		{env: "MUSTER_REQUEST_TIMEOUT=soon", says: []string{"MUSTER_REQUEST_TIMEOUT: ", "soon"}},
	} {
		args := []string{"status"}
		if c.file != "" {
			args = append(args, "--config", configFile(t, c.file))
		}
		o := muster(t, []string{c.env}, args...)
		if o.code != exitUsage {
			t.Errorf("%q %q: exit %d, want 2: %s", c.file, c.env, o.code, o.stderr)
		}
		for _, want := range c.says {
			if !strings.Contains(o.stderr, want) {
				t.Errorf("%q %q: stderr does not say %q: %s", c.file, c.env, want, o.stderr)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"address", "api-listen", "raft-listen", "slots"}
	for _, c := range []struct{ name, want string }{
		{"adddress", "address"},
		{"api_listen", "api-listen"},
		{"API-LISTEN", "api-listen"},
		{"slot", "slots"},
		{"nothing-of-the-kind", ""},
	} {
		if got := nearest(c.name, words); got != c.want {
			t.Errorf("nearest to %q is %q, want %q", c.name, got, c.want)
		}
	}
}
