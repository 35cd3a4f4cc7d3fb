package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// batches is a master that takes batches, in its own way.
type batches struct {
	mu    sync.Mutex
	keys  map[string]bool
	calls int
	full  int // so many items are refused at first
}

func (b *batches) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Tasks []struct {
			Expression string
			Key        string `json:"idempotency_key"`
			WhenFull   string `json:"when_full"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		panic(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	var results []string
	for _, t := range body.Tasks {
		switch {
		case t.Expression == "bad":
			results = append(results, `{"error":"\"bad\" is no expression","code":"invalid_expression"}`)
		case b.full > 0:
			b.full--
			results = append(results, `{"error":"the queue is full","code":"queue_full"}`)
		default:
			known := b.keys[t.Key]
			b.keys[t.Key] = true
			results = append(results, fmt.Sprintf(`{"task":%s,"existing":%t}`, taskRunning, known))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(results, ","))
}

func TestAFileIsSubmittedOnce(t *testing.T) {
	master := &batches{keys: map[string]bool{}, full: 3}
	server := httptest.NewServer(master)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "tasks.jsonl")
	var content strings.Builder
	for i := range batchLines + 2 {
		fmt.Fprintf(&content, "{\"expression\":\"%d\"}\n\n", i)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(content.String())
	run := func() outcome { return muster(t, []string{"MUSTER_ADDRESS=" + server.URL}, "submit", "-f", file) }
	run().want(t, "first", exitOK, "502 of 502 tasks submitted, 0 of them by an earlier run.\n", "")
	if len(master.keys) != batchLines+2 || master.calls != 3 {
		t.Errorf("%d keys in %d calls", len(master.keys), master.calls)
	}
	run().want(t, "again", exitOK, "502 of 502 tasks submitted, 502 of them by an earlier run.\n", "")
	write(content.String() + "{\"expression\":\"bad\"}\n")
	run().want(t, "another file", exitFailure, "502 of 503 tasks submitted, 0 of them by an earlier run.\n",
		"line 1005: \"bad\" is no expression\nmuster: 1 of 503 lines were refused; correct them in a file of their own, since all tasks of a changed file are new ones\n")
	for text, says := range map[string]string{
		"":                                      "has no tasks",
		"\n{\"expression\":\"1\"\n{":            "line 2: the task is not valid JSON",
		strings.Repeat(" ", maxLine+1) + "{}\n": "a line has at most",
	} {
		calls := master.calls
		write(text)
		if o := run(); o.code == exitOK || !strings.Contains(o.stderr, says) || master.calls != calls {
			t.Errorf("%.40q: exit %d, %q; want %q in it, and no call", text, o.code, o.stderr, says)
		}
	}
}

// TestMalformedLinesAreRefusedOneByOne: each is told with its line, in order, and the
// others are submitted.
func TestMalformedLinesAreRefusedOneByOne(t *testing.T) {
	master := &batches{keys: map[string]bool{}}
	server := httptest.NewServer(master)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "tasks.jsonl")
	var content, want strings.Builder
	for i, tc := range []struct{ line, says string }{
		{`{`, "the task is not valid JSON: it ends too early"},
		{`{"expression":"1"}`, ""},
		{`{"expression":"1","x":1}`, `unknown field "x"`},
		{`{"expression":"1"} {}`, "something follows the JSON value in the task"},
		{`{"expression":"bad"}`, `"bad" is no expression`},
		{`{"expression":"1","priority":1,"priority":2}`, "priority is given twice"},
		{`{"expression":"1","max_tries":0}`, "max_tries is 0; it is at least 1, and leaving it out means the default"},
		{`{"expression":"\ud800"}`, `the task has \ud800 at byte 15, which is half of a character; write the character itself, or both halves of it`},
		{`[1]`, "the task must be an object"},
		{`{"expression":"2"}`, ""},
	} {
		content.WriteString(tc.line + "\n")
		if tc.says != "" {
			fmt.Fprintf(&want, "line %d: %s\n", i+1, tc.says)
		}
	}
	if err := os.WriteFile(file, []byte(content.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	const end = "muster: 8 of 10 lines were refused; correct them in a file of their own, since all tasks of a changed file are new ones\n"
	run := func(flags ...string) outcome {
		return muster(t, []string{"MUSTER_ADDRESS=" + server.URL}, append([]string{"submit", "-f", file}, flags...)...)
	}
	run().want(t, "first", exitFailure, "2 of 10 tasks submitted, 0 of them by an earlier run.\n", want.String()+end)
	run().want(t, "again", exitFailure, "2 of 10 tasks submitted, 2 of them by an earlier run.\n", want.String()+end)
	var got fileAnswer
	if err := json.Unmarshal([]byte(run("--output", "json").stdout), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Refused) != 8 || got.Refused[0] != (refusedLine{1, "invalid_request", "the task is not valid JSON: it ends too early"}) {
		t.Errorf("as JSON: %+v", got)
	}
	if len(master.keys) != 2 {
		t.Errorf("%d tasks", len(master.keys))
	}
}

// TestAFileComesFromWhereverAUserHasIt: from an editor that begins it with a mark, or
// from a pipe. It is the same file, and is submitted once.
func TestAFileComesFromWhereverAUserHasIt(t *testing.T) {
	master := &batches{keys: map[string]bool{}}
	server := httptest.NewServer(master)
	defer server.Close()
	file := filepath.Join(t.TempDir(), "tasks.jsonl")
	const tasks = "{\"expression\":\"1\"}\n{\"expression\":\"2\"}\n"
	if err := os.WriteFile(file, []byte("\ufeff"+tasks), 0o600); err != nil {
		t.Fatal(err)
	}
	submit := func(stdin, from string) string {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"submit", "-f", from}, strings.NewReader(stdin), &stdout, &stderr, []string{"MUSTER_ADDRESS=" + server.URL})
		if code != exitOK {
			t.Errorf("from %s: %d %s", from, code, &stderr)
		}
		return stdout.String()
	}
	if got := submit("", file); got != "2 of 2 tasks submitted, 0 of them by an earlier run.\n" {
		t.Error(got)
	}
	if got := submit(tasks, "-"); got != "2 of 2 tasks submitted, 2 of them by an earlier run.\n" {
		t.Error(got)
	}
	muster(t, []string{"MUSTER_ADDRESS=" + server.URL}, "submit", "-f", file+".gone").want(t, "no file", exitUsage, "",
		"muster: read the tasks of --file "+file+".gone: open "+file+".gone: no such file or directory\n  see: muster submit --help\n")
}

// TestAnInterruptedFileSaysHowToGoOn: what was taken before is counted.
func TestAnInterruptedFileSaysHowToGoOn(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	master := &batches{keys: map[string]bool{}, full: 1}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if interrupted := master.calls == 1 && ctx.Err() == nil; interrupted {
			interrupt()                        // in the second call, which nobody answers
			_, _ = io.Copy(io.Discard, r.Body) // only then is the client's end noticed
			<-r.Context().Done()
			return
		}
		master.ServeHTTP(w, r)
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "tasks.jsonl")
	if err := os.WriteFile(file, []byte("{\"expression\":\"1\"}\n{\"expression\":\"2\"}\n{\"expression\":\"3\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"submit", "-f", file}, strings.NewReader(""), &stdout, &stderr, []string{"MUSTER_ADDRESS=" + server.URL})
	const want = "2 of 3 lines are known to be submitted; repeat the command to go on\nmuster: interrupted\n"
	if code != exitFailure || stdout.String() != "" || stderr.String() != want {
		t.Errorf("exit %d, %q, %q", code, &stdout, &stderr)
	}
	muster(t, []string{"MUSTER_ADDRESS=" + server.URL}, "submit", "-f", file).
		want(t, "again", exitOK, "3 of 3 tasks submitted, 2 of them by an earlier run.\n", "")
}

// TestTheBarFitsItsLine, or there is none.
func TestTheBarFitsItsLine(t *testing.T) {
	for columns, want := range map[int][]bool{0: {false, false}, narrow - 1: {false, false}, narrow: {true, false}, wide - 1: {true, false}, wide: {true, true}} {
		var drawn bytes.Buffer
		bar := newBar(&drawn, 2_000_000, columns)
		if err := bar.Set(1_999_999); err != nil {
			t.Fatal(err)
		}
		text := drawn.String()
		if has := strings.Contains(text, "(1999999/2000000)"); has != want[0] {
			t.Errorf("%d columns: the count is shown: %t: %q", columns, has, text)
		}
		if has := strings.Contains(text, "submitting") && strings.Contains(text, "s]"); has != want[1] {
			t.Errorf("%d columns: words and times are shown: %t: %q", columns, has, text)
		}
		drawn.Reset()
		if err := bar.Clear(); err != nil || want[0] != (drawn.String() == "\x1b[2K\r") {
			t.Errorf("%d columns: cleared by %q, %v", columns, &drawn, err)
		}
	}
}

// TestAFileRefusesTheFlagsOfOneTask, which would have no effect; but not what the
// environment says for every submit.
func TestAFileRefusesTheFlagsOfOneTask(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tasks.jsonl")
	if err := os.WriteFile(file, []byte(`{"expression":"1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFake(t, map[string]answer{"POST /v1/tasks/batch": {0, `{"results":[{"task":` + taskRunning + `}]}`}})
	for _, c := range []struct{ flag, says string }{
		{"--explain", "submit the task alone to see who was asked for it"},
		{"--wait", "muster tasks wait"},
		{"--wait=3s", "muster tasks wait"},
		{"--key=k", "idempotency_key"},
		{"--parameter=x=1", "parameters"},
		{"--label=a=b", "labels"},
		{"--require=a=b", "requires"},
		{"--timeout=3s", "timeout_ms"},
		{"--priority=3", "priority"},
		{"--not-before=3s", "not_before"},
		{"--deadline=3s", "deadline"},
		{"--backoff=3s", "retry"},
		{"--max-tries=3", "max_tries"},
	} {
		if o := f.muster(t, "submit", "-f", file, c.flag); o.code != exitUsage || !strings.Contains(o.stderr, " is for one task, not for a file of them; ") || !strings.Contains(o.stderr, c.says) {
			t.Errorf("%s: %+v", c.flag, o)
		}
	}
	if o := muster(t, []string{"MUSTER_ADDRESS=" + f.URL, "MUSTER_PRIORITY=3"}, "submit", "-f", file, "--when-full", "reject"); o.code != exitOK {
		t.Errorf("%+v", o)
	}
}
