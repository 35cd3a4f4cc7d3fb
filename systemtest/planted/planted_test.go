package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// TestPlantedMistakesFit: a change of the product or of a test's name must take
// the planted mistakes with it.
func TestPlantedMistakesFit(t *testing.T) {
	all, err := load("mistakes")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("%d mistakes", len(all))
	}
	known := map[string]string{}
	for _, m := range all {
		if _, err := m.plant(root); err != nil {
			t.Error(err)
		}
		if slices.ContainsFunc(m.edits, func(e edit) bool { return e.old == e.new }) {
			t.Errorf("%s plants nothing", m.at)
		}
		for _, name := range m.tests {
			top, _, _ := strings.Cut(name, "/")
			if !strings.Contains(sources(t, known, m.pkg), "func "+top+"(t *testing.T)") {
				t.Errorf("%s: %s has no %s", m.at, m.pkg, top)
			}
		}
	}
}

// sources returns the tests of a package.
func sources(t *testing.T, known map[string]string, pkg string) string {
	t.Helper()
	if text, ok := known[pkg]; ok {
		return text
	}
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	known[pkg] = all.String()
	return known[pkg]
}

// TestAMistakeIsPlantedAndCaught runs the tool on one cheap mistake, and on a
// harmless change that no test can catch.
func TestAMistakeIsPlantedAndCaught(t *testing.T) {
	t.Chdir(root)
	if _, err := exec.LookPath("go"); err != nil {
		t.Fatal(err)
	}
	m := mistake{
		at: "here", what: "the answer is another sentence",
		edits: []edit{{file: "task/protocol.go", old: `= "I am available."`, new: `= "I am free."`}}, pkg: "./task", tests: []string{"TestAnswerIsTheOriginalsSentence"},
	}
	verdict, err := try(t.Context(), t.TempDir(), m)
	if err != nil || !regexp.MustCompile(`caught: --- FAIL: TestAnswerIsTheOriginalsSentence.*_test\.go:`).MatchString(verdict) {
		t.Errorf("%q, %v", verdict, err)
	}
	m.edits[0].old, m.edits[0].new = "package task", "package task // harmless"
	if verdict, err := try(t.Context(), t.TempDir(), m); err == nil || !strings.Contains(err.Error(), "passed") {
		t.Errorf("a harmless change: %q, %v", verdict, err)
	}
	m.tests = []string{"TestNothing"}
	if verdict, err := try(t.Context(), t.TempDir(), m); err == nil || !strings.Contains(err.Error(), "there is no") {
		t.Errorf("a test that is not there: %q, %v", verdict, err)
	}
	m.edits[0].new = "package nonsense"
	if verdict, err := try(t.Context(), t.TempDir(), m); err == nil || !strings.Contains(err.Error(), "compile") {
		t.Errorf("what does not compile: %q, %v", verdict, err)
	}
}

func TestOnlyAFailureCatchesAMistake(t *testing.T) {
	for out, want := range map[string]string{
		"--- FAIL: TestX (0.01s)\n    x_test.go:7: no\nFAIL\n":                 "",
		"panic: nil map\n\ngoroutine 7":                                        "",
		"fatal error: all goroutines are asleep - deadlock!":                   "",
		"panic: test timed out after 5m0s\n\trunning tests:\n\t\tTestX (5m0s)": "did not end",
		"signal: killed\nFAIL\tmuster/x\n":                                     "did not run",
		"testing: warning: no tests to run\n":                                  "there is no TestX",
	} {
		err := judge("TestX", out, true)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v; want %q", out, err, want)
		}
	}
	if err := judge("TestX", "ok  \tmuster/x\n", false); err == nil || !strings.Contains(err.Error(), "passed") {
		t.Errorf("a test that passed: %v", err)
	}
}

func TestListsAreReadStrictly(t *testing.T) {
	good := "# a mistake\n# of two lines\nfile: a.go\nold: <<<\nx\n\ty\n>>>\nnew: <<<\n>>>\nin: muster/c.F\nold: <<<\nv\n>>>\nnew: <<<\nw\n>>>\ntest: ./a TestA TestB\n\n# next\nfile: b.go\nold: <<<\nz\n>>>\ntest: ./b TestC\n"
	all, err := parse("l", strings.NewReader(good))
	if err != nil || len(all) != 2 || all[0].what != "a mistake of two lines" || !slices.Equal(all[0].edits, []edit{{file: "a.go", old: "x\n\ty"}, {in: "muster/c.F", old: "v", new: "w"}}) ||
		all[0].at != "l:1" || len(all[0].tests) != 2 || all[1].pkg != "./b" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, bad := range []string{
		"nonsense\n", "# w\nfile: a\nold: <<<\nx\n", "# w\nfile: a\ntest: ./a T\n", "# w\nfile: a\nold: <<<\nx\n>>>\n", "file: a\nold: <<<\nx\n>>>\ntest: ./a T\n",
		"# w\nfile: a\nold: <<<\nx\n>>>\ntest: ./a\n", "# w\nold: <<<\nx\n>>>\ntest: ./a T\n",
	} {
		if all, err := parse("l", strings.NewReader(bad)); err == nil {
			t.Errorf("%q gives %+v", bad, all)
		}
	}
}
