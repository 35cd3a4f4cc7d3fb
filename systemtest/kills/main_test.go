package kills_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// program is the real binary. Set by TestMain.
var program string

func TestMain(m *testing.M) {
	code, err := runWithProgram(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func runWithProgram(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "muster-kills-binary-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program = filepath.Join(dir, "muster")
	if err := build(program); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// build compiles the binary as a user would: without the race detector, which
// the tests may have.
func build(path string) error {
	out, err := exec.Command("go", "build", "-o", path, "muster/cmd/muster").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return nil
}

// series is how many times a story repeats what it does.
func series(t *testing.T) int {
	t.Helper()
	const name, short = "MUSTER_KILLS", 5
	text := os.Getenv(name)
	if text == "" {
		return short
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a number of kills", name, text)
	}
	return n
}
