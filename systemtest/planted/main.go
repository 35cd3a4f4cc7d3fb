package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const lists = "systemtest/planted/mistakes"

const (
	// perMistake bounds one compilation and its tests.
	perMistake = 10 * time.Minute
	// perTest bounds one test.
	perTest = 5 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	match := flag.String("run", "", "only mistakes whose text, file or test matches this expression")
	list := flag.Bool("list", false, "list the mistakes, plant nothing")
	flag.Parse()
	if err := run(ctx, *match, *list); err != nil {
		fmt.Fprintln(os.Stderr, "planted:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stopped above
	}
}

func run(ctx context.Context, match string, list bool) error {
	wanted, err := regexp.Compile(match)
	if err != nil {
		return err
	}
	all, err := load(lists)
	if err != nil {
		return fmt.Errorf("%w (run it at the root of the repository)", err)
	}
	dir, err := os.MkdirTemp("", "planted")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	caught, missed := 0, 0
	for _, m := range all {
		if !wanted.MatchString(m.text()) {
			continue
		}
		if list {
			fmt.Printf("%-24s %s\n%24s %s %s\n", m.at, m.what, "", m.pkg, strings.Join(m.tests, " ")) //nolint:forbidigo // it is the command's own output
			continue
		}
		began := time.Now()
		verdict, err := try(ctx, dir, m)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			missed++
			verdict = "MISSED: " + err.Error()
		} else {
			caught++
		}
		fmt.Printf("%-24s %5.1fs  %s\n%24s %s\n", m.at, time.Since(began).Seconds(), m.what, "", verdict) //nolint:forbidigo // it is the command's own output
	}
	if list {
		return nil
	}
	fmt.Printf("%d mistakes caught, %d not\n", caught, missed) //nolint:forbidigo // it is the command's own output
	if missed > 0 || caught == 0 {
		return errors.New("not every planted mistake was caught")
	}
	return nil
}

// try plants a mistake and runs its tests. It returns who caught it.
func try(ctx context.Context, dir string, m mistake) (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	overlay, err := write(dir, root, m)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, perMistake)
	defer cancel()
	if out, err := goTest(ctx, overlay, "-run", "^$", m.pkg); err != nil {
		return "", fmt.Errorf("it does not compile, or the tests do not start:\n%s", out)
	}
	verdict := ""
	for _, name := range m.tests {
		out, err := goTest(ctx, overlay, "-run", pattern(name), "-timeout", perTest.String(), m.pkg)
		if err := judge(name, out, err != nil); err != nil {
			return "", err
		}
		verdict = reason(out)
	}
	return "caught: " + verdict, nil
}

// judge returns why the output of a test does not say that it caught its mistake, or
// nil. A test that does not end has caught nothing: on a busy machine it may have
// been about to pass, and who makes the mistake learns nothing from it.
func judge(name, out string, failed bool) error {
	switch {
	case strings.Contains(out, "no tests to run"):
		return fmt.Errorf("there is no %s", name)
	case !failed:
		return fmt.Errorf("%s passed", name)
	case strings.Contains(out, "panic: test timed out after"):
		return fmt.Errorf("%s did not end within %v: have it give up sooner, and say what it waited for", name, perTest)
	case !strings.Contains(out, "--- FAIL") && !strings.Contains(out, "panic:") && !strings.Contains(out, "fatal error:"):
		return fmt.Errorf("%s did not run:\n%s", name, out)
	}
	return nil
}

// pattern is what -run takes for Test/subtest/subtest, where the names of the
// subtests may be the beginnings of names.
func pattern(name string) string {
	top, rest, sub := strings.Cut(name, "/")
	if !sub {
		return "^" + top + "$"
	}
	return "^" + top + "$/^" + strings.ReplaceAll(rest, "/", "/^")
}

// write writes the changed files and the overlay that names them.
func write(dir, root string, m mistake) (overlay string, err error) {
	changed, err := m.plant(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, text := range changed {
		at := filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(path)))
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[path] = at
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

// goTest gives the overlay by the environment, so that a test that builds the
// real binary builds the mistake into it.
func goTest(ctx context.Context, overlay string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-count=1"}, args...)...) //nolint:gosec // the lists of the repository name the tests
	cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// reason finds the line that says most in the output of a failed test.
func reason(out string) string {
	test := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "--- FAIL"):
			test = line
		case test != "" && strings.Contains(line, "_test.go:"), strings.HasPrefix(line, "panic:"):
			return clip(test + " " + line)
		}
	}
	return clip(test)
}

func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
