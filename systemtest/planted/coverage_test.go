package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// proofs returns the packages whose every test proves a promise: each of their
// tests is seen to fail with some mistake, and is named in docs/promises.md.
func proofs(t *testing.T) (pkgs []string) {
	t.Helper()
	for _, tree := range []string{"promises", "kills", "hostile", "addresses"} {
		err := filepath.WalkDir(filepath.Join(root, "systemtest", tree), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			pkg, err := filepath.Rel(root, path)
			pkgs = append(pkgs, "./"+filepath.ToSlash(pkg))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return pkgs
}

// exempt are tests of the tests' own parts, and what shows itself differently.
var exempt = map[string]string{
	"TestDistribution": "tests how the gaps are printed",
}

var testName = regexp.MustCompile(`\bTest[A-Z0-9]\w*`)

func TestEveryProofWasSeenToFail(t *testing.T) {
	all, err := load("mistakes")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, m := range all {
		for _, name := range m.tests {
			top, _, _ := strings.Cut(name, "/")
			seen[m.pkg+" "+top] = true
		}
	}
	for _, pkg := range proofs(t) {
		for _, name := range tests(t, filepath.Join(root, pkg)) {
			if !seen[pkg+" "+name] && exempt[name] == "" {
				t.Errorf("no planted mistake names %s of %s", name, pkg)
			}
		}
	}
}

func TestThePromisesNameTheirTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "promises.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, name := range testName.FindAllString(string(text), -1) {
		named[name] = true
	}
	exist := map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && !strings.HasPrefix(d.Name(), ".git") && d.Name() != ".cache" {
			for _, name := range tests(t, path) {
				exist[name] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !exist[name] {
			t.Errorf("docs/promises.md names %s, which does not exist", name)
		}
	}
	for _, pkg := range proofs(t) {
		for _, name := range tests(t, filepath.Join(root, pkg)) {
			if !named[name] && exempt[name] == "" {
				t.Errorf("docs/promises.md does not name %s of %s", name, pkg)
			}
		}
	}
}

var testFunc = regexp.MustCompile(`(?m)^func (Test[A-Z0-9]\w*)\(t \*testing\.T\)`)

// tests lists the tests in the files of one directory.
func tests(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
	}
	return names
}
