package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// moved is a package whose declarations are in two files.
func moved(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/b/one.go":         "package b\n\n// most is a bound.\nconst (\n\tleast = 1\n\tmost  = 9 // tasks\n)\n\ntype T struct {\n\tn int\n}\n\n// Take takes.\nfunc (t *T) Take(n int) {\n\tt.n -= n\n}\n",
		"a/b/two.go":         "package b\n\nfunc (t T) Left() int { return t.n }\n\nfunc (q *queue[X]) Take(n int) {\n\tq.n -= n\n}\n\ntype queue[X any] struct{ n int }\n\nfunc Take(n int) {}",
		"a/b/two_test.go":    "package b\n\nfunc Take(n int) {}\n",
		"a/b/two_plan9.go":   "package b\n\nfunc Take(n int) {}\n",
		"a/b/twice/one.go":   "package twice\n\nfunc init() {}\n",
		"a/b/twice/two.go":   "package twice\n\nfunc init() {}\n",
		"a/b/broken/init.go": "package broken\n\nfunc init( {}\n",
	} {
		at := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestASymbolIsFoundInWhicheverFileItIs(t *testing.T) {
	dir := moved(t)
	for symbol, want := range map[string]string{
		"muster/a/b.(*T).Take":     "one.go: // Take takes.\nfunc (t *T) Take(n int) {\n\tt.n -= n\n}",
		"muster/a/b.T.Left":        "two.go: func (t T) Left() int { return t.n }",
		"muster/a/b.(*queue).Take": "two.go: func (q *queue[X]) Take(n int) {\n\tq.n -= n\n}",
		"muster/a/b.Take":          "two.go: func Take(n int) {}",
		"muster/a/b.most":          "one.go: \tmost  = 9 // tasks",
		"muster/a/b.T":             "one.go: type T struct {\n\tn int\n}",
	} {
		s, err := findSymbol(dir, symbol, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		if got := filepath.Base(s.path) + ": " + s.text[s.begin:s.end]; got != want {
			t.Errorf("%s is\n%s\nwant\n%s", symbol, got, want)
		}
	}
	for symbol, want := range map[string]string{
		"muster/a/b.T.Take":        "declared 0 times",
		"muster/a/b.Gone":          "declared 0 times",
		"muster/a/b/twice.init":    "declared 2 times",
		"muster/a/b/broken.init":   "init.go:3",
		"muster/a/c.Take":          "no such file",
		"muster/a/b":               "no symbol such as",
		"muster/a/b.":              "no symbol such as",
		"fmt.Println":              "no symbol such as",
		"muster/../b.(*Node).Take": "no such file",
	} {
		if s, err := findSymbol(dir, symbol, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want %q", symbol, s, err, want)
		}
	}
}

// TestAMistakeStaysInItsSymbol: the same text elsewhere in the file is not touched, and a
// second change of a file sees the first.
func TestAMistakeStaysInItsSymbol(t *testing.T) {
	dir := moved(t)
	m := mistake{at: "here", edits: []edit{
		{in: "muster/a/b.(*queue).Take", old: "Take(n int) {", new: "Take(n int) {\n\tn++"},
		{in: "muster/a/b.Take", old: "n int", new: "n uint"},
		{file: "a/b/two.go", old: "return t.n", new: "return 0"},
	}}
	changed, err := m.plant(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := "package b\n\nfunc (t T) Left() int { return 0 }\n\nfunc (q *queue[X]) Take(n int) {\n\tn++\n\tq.n -= n\n}\n\ntype queue[X any] struct{ n int }\n\nfunc Take(n uint) {}"
	if got := changed[filepath.Join(dir, "a", "b", "two.go")]; len(changed) != 1 || got != want {
		t.Errorf("%q\nwant\n%q", changed, want)
	}
	for _, e := range []edit{{in: "muster/a/b.(*T).Take", old: "n"}, {in: "muster/a/b.(*T).Take", old: "q.n"}, {in: "muster/a/b.Gone", old: "n"}} {
		m.edits = []edit{e}
		if changed, err := m.plant(dir); err == nil || !strings.Contains(err.Error(), "must be there once") || !strings.Contains(err.Error(), "here: ") {
			t.Errorf("%+v: %q, %v", e, changed, err)
		}
	}
}
