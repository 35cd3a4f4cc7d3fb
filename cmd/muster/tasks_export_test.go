package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// export is what a master sends: three tasks, and the end if it is whole.
func export(whole bool) map[string]answer {
	text := taskDone + "\n" + taskRunning + "\n" + taskFailed + "\n"
	if whole {
		text += `{"complete":true,"tasks":3,"index":40}` + "\n"
	}
	return map[string]answer{"GET /v1/tasks/export": {0, text}}
}

func TestTasksExport(t *testing.T) {
	f := newFake(t, export(true))
	o := f.muster(t, "tasks", "export", "--status", "done", "--order", "desc", "--linearizable")
	lines := strings.Split(strings.TrimSuffix(o.stdout, "\n"), "\n")
	if o.code != exitOK || len(lines) != 3 || canonical(t, lines[0]) != canonical(t, taskDone) || o.stderr != "" {
		t.Errorf("to stdout: %+v", o)
	}
	if call := f.last(t).call; call != "GET /v1/tasks/export?status=done&order=desc&consistency=linearizable" {
		t.Errorf("asked %q", call)
	}
	file := filepath.Join(t.TempDir(), "tasks.jsonl")
	for _, content := range []string{"", "of an earlier export"} {
		if content != "" {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f.muster(t, "tasks", "export", file).want(t, "to a file", exitOK, "Wrote 3 tasks to "+file+", as of index 40.\n", "")
		if got, err := os.ReadFile(file); err != nil || string(got) != o.stdout {
			t.Errorf("the file has %s, %v", got, err)
		}
	}
	if got := f.muster(t, "tasks", "export", file, "-o", "json"); canonical(t, got.stdout) != canonical(t, `{"file":"`+file+`","tasks":3,"index":40}`) {
		t.Errorf("json: %s", got.stdout)
	}
	if got := f.muster(t, "tasks", "export", "-"); got != o {
		t.Errorf("to -: %+v", got)
	}
	onlyIn(t, filepath.Dir(file), "tasks.jsonl")
}

// An export that is cut short exits with 1, and leaves no file that looks whole.
func TestTasksExportThatIsCutShort(t *testing.T) {
	f := newFake(t, export(false))
	o := f.muster(t, "tasks", "export")
	if o.code != exitFailure || strings.Count(o.stdout, "\n") != 3 || !strings.Contains(o.stderr, "what was written is not all") || !strings.Contains(o.stderr, "cut short after 3 tasks") {
		t.Errorf("to stdout: %+v", o)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "tasks.jsonl")
	cut := func() {
		t.Helper()
		o := f.muster(t, "tasks", "export", file)
		if o.code != exitFailure || o.stdout != "" || !strings.Contains(o.stderr, file+" was not written") || !strings.Contains(o.stderr, "cut short after 3 tasks") {
			t.Errorf("to a file: %+v", o)
		}
	}
	cut()
	onlyIn(t, dir)
	if err := os.WriteFile(file, []byte("earlier"), 0o600); err != nil {
		t.Fatal(err)
	}
	cut()
	onlyIn(t, dir, "tasks.jsonl")
	if got, err := os.ReadFile(file); err != nil || string(got) != "earlier" {
		t.Errorf("the earlier export has become %s, %v", got, err)
	}
}

func TestTasksExportThatCantBegin(t *testing.T) {
	dir := t.TempDir()
	f := newFake(t, map[string]answer{"GET /v1/tasks/export": {503, `{"error":"This master serves 4 exports already.","code":"too_many_exports"}`}})
	f.muster(t, "tasks", "export", filepath.Join(dir, "x")).want(t, "a busy master", exitCapacity, "", "muster: This master serves 4 exports already.\n")
	if o := muster(t, nil, "--address", "http://127.0.0.1:1", "tasks", "export", filepath.Join(dir, "x")); o.code != exitUnreachable {
		t.Errorf("nobody there: %+v", o)
	}
	for _, wrong := range []string{dir, os.DevNull} {
		if o := f.muster(t, "tasks", "export", wrong); o.code != exitUsage || !strings.Contains(o.stderr, "is not a file") {
			t.Errorf("to %s: %+v", wrong, o)
		}
	}
	if o := f.muster(t, "tasks", "export", filepath.Join(dir, "none", "x")); o.code != exitFailure || !strings.Contains(o.stderr, "make a file beside") {
		t.Errorf("to a directory that is not there: %+v", o)
	}
	onlyIn(t, dir)
}

// onlyIn wants a directory to have these files and no other.
func onlyIn(t *testing.T, dir string, names ...string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s has %v, not %v", dir, got, names)
	}
}

func TestProgress(t *testing.T) {
	var to bytes.Buffer
	for _, show := range []bool{false, true} {
		g := newProgress(&to, show)
		g.step()
		g.shown = g.shown.Add(-time.Second)
		g.step()
		g.step()
		g.end()
	}
	if got := to.String(); got != "\r2 tasks\r3 tasks\n" {
		t.Errorf("shows %q", got)
	}
}
