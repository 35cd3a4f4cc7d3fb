package upgrade_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binaries are the two versions. Set by TestMain; missing says why there is none of
// the predecessor.
var binaries struct {
	before, now string
	commit      string // the predecessor's
	missing     error
}

func TestMain(m *testing.M) {
	code, err := runWithBinaries(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func runWithBinaries(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "muster-upgrade-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	binaries.now = filepath.Join(dir, "now")
	if err := build("", binaries.now); err != nil {
		return 0, err
	}
	binaries.before = filepath.Join(dir, "before")
	if binaries.commit, err = predecessor(); err == nil {
		err = unpack(binaries.commit, filepath.Join(dir, "source"))
	}
	if err != nil {
		binaries.missing = err
		return m.Run(), nil
	}
	if err := build(filepath.Join(dir, "source"), binaries.before); err != nil {
		return 0, fmt.Errorf("the version before this one, %s: %w", binaries.commit, err)
	}
	return m.Run(), nil
}

// needPredecessor skips aloud without the predecessor, and fails in CI.
func needPredecessor(t *testing.T) {
	t.Helper()
	switch {
	case binaries.missing == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("CI=true, and the version before this one can't be built: %v", binaries.missing)
	default:
		t.Skipf("the rolling upgrade is not tested: the version before this one can't be built: %v", binaries.missing)
	}
}

// predecessor returns the commit of the version before this one.
func predecessor() (string, error) {
	if shallow, err := git("rev-parse", "--is-shallow-repository"); err != nil || shallow != "false" {
		return "", errors.Join(errors.New("the history is not all here: it needs git, and a clone that is not shallow (git fetch --unshallow --tags)"), err)
	}
	// The parent, so that a release is tested against the release before.
	if tag, err := git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^"); err == nil {
		return tag, nil
	}
	text, err := os.ReadFile("PREDECESSOR")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if commit := strings.TrimSpace(line); commit != "" && !strings.HasPrefix(commit, "#") {
			return commit, nil
		}
	}
	return "", errors.New("the file PREDECESSOR names no commit")
}

// unpack writes a commit's files into a directory.
func unpack(commit, dir string) error {
	root, err := git("rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	archive := exec.Command("git", "archive", "--format=tar", commit)
	archive.Dir = root // it takes only what is below
	var said bytes.Buffer
	archive.Stderr = &said
	tar, err := archive.Output()
	if err != nil {
		return fmt.Errorf("git archive %s: %w: %s", commit, err, said.String())
	}
	extract := exec.Command("tar", "-x", "-C", dir)
	extract.Stdin = bytes.NewReader(tar)
	if out, err := extract.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w\n%s", commit, err, out)
	}
	return nil
}

func git(args ...string) (string, error) {
	out, err := exec.Command("git", args...).Output()
	if err != nil {
		said := ""
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			said = ": " + strings.TrimSpace(string(exit.Stderr))
		}
		return "", fmt.Errorf("git %s: %w%s", strings.Join(args, " "), err, said)
	}
	return strings.TrimSpace(string(out)), nil
}

// build compiles the sources in a directory; empty: these. The paths are left out, so
// that what both versions have in common is compiled once.
func build(dir, path string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "muster/cmd/muster")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return nil
}
