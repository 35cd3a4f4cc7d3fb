package kills_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// program builds the real binary when it is first asked for, and returns where
// it is. Set by TestMain.
var program func() (string, error)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "muster-kills-binary-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = sync.OnceValues(func() (string, error) { return build(dir) })
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// build compiles the binary as a user would: without the race detector, which
// the tests may have.
func build(dir string) (string, error) {
	path := filepath.Join(dir, "muster")
	out, err := exec.Command("go", "build", "-o", path, "muster/cmd/muster").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the binary: %w\n%s", err, out)
	}
	return path, nil
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
