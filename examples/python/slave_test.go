package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/timelimit"
)

// needPython skips aloud without Python, and fails in CI.
func needPython(t *testing.T) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals")
	}
	path, err := exec.LookPath("python3")
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("python3 is not installed, and CI=true: %v", err)
	default:
		t.Skip("python3 is not installed: the Python slave is not tested")
	}
	return ""
}

// build makes the real binary.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "muster")
	if out, err := exec.Command("go", "build", "-o", path, "muster/cmd/muster").CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v\n%s", err, out)
	}
	return path
}

func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// child starts a process that is killed at the end of the test. It returns what
// kills it, which may be called before.
func child(t *testing.T, command ...string) (kill func()) {
	t.Helper()
	var words bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &words, &words, time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	kill = func() {
		_ = cmd.Process.Kill() // it may be dead
		<-ended                // the kernel keeps this promise
	}
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", strings.Join(command, " "), words.String())
		}
	})
	return kill
}

func TestIsShort(t *testing.T) {
	text, err := os.ReadFile("slave.py")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); lines >= 220 {
		t.Errorf("slave.py has %d lines; the promise is about 200", lines)
	}
}

// The conformance test finds nothing wrong.
func TestConforms(t *testing.T) {
	python, muster := needPython(t), build(t)
	self, listen := address(t), address(t)
	ctx, cancel := context.WithTimeout(t.Context(), timelimit.Of(t, 3*time.Minute))
	defer cancel()
	out, err := exec.CommandContext(ctx, muster, "slave-test", "http://"+self, "--listen", listen,
		"--kind", "wordcount", "--expression", "one two three", "--parameters", "{}", "--want", "3",
		"--long-expression", "one two", "--long-parameters", `{"seconds": 6}`, "--long", "6s", "--quiet", "1500ms",
		"--", python, "slave.py", "--name", "py-1", "--listen", self, "--masters", "http://"+listen).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("skipped")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// A real cluster whose leader is killed while the slave works: every task that was
// acknowledged is done once, with the right result.
func TestSurvivesTheLeader(t *testing.T) {
	python, muster := needPython(t), build(t)
	dir := t.TempDir()
	var list, urls []string
	var start [][]string
	for i := 1; i <= 3; i++ {
		id, raft, api := fmt.Sprintf("m%d", i), address(t), address(t)
		list, urls = append(list, id+"="+raft+"=http://"+api), append(urls, "http://"+api)
		start = append(start, []string{muster, "master", "--id", id, "--data", filepath.Join(dir, id), "--raft-listen", raft, "--api-listen", api})
	}
	kill := map[string]func(){}
	for i, command := range start {
		kill[fmt.Sprintf("m%d", i+1)] = child(t, append(command, "--masters", strings.Join(list, ","))...)
	}
	child(t, python, "slave.py", "--name", "py-1", "--listen", address(t), "--slots", "4", "--masters", strings.Join(urls, ","))
	c, err := client.New(client.Config{Addresses: urls})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), timelimit.Of(t, 2*time.Minute))
	defer cancel()

	words := map[uint64]int{} // of each acknowledged task
	const tasks = 40
	for n := 1; n <= tasks; n++ {
		id := submit(ctx, t, c, n)
		if words[id] != 0 {
			t.Fatalf("task %d was given twice", id)
		}
		words[id] = n
		if n == tasks/2 { // tasks run at this moment
			kill[leader(ctx, t, c, urls)]()
		}
	}
	for id, n := range words {
		done, failed := c.Wait(ctx, id)
		if failed != nil {
			t.Fatalf("task %d: %v", id, failed)
		}
		if done.Status != client.TaskDone || done.Outcome != client.Succeeded || done.Result == nil || *done.Result != fmt.Sprint(n) {
			t.Errorf("task %d of %d words: %+v", id, n, done)
		}
	}
	page, err := c.Page(ctx, client.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if page.Counts.Submitted != tasks || page.Counts.Done != tasks {
		t.Errorf("%d tasks were acknowledged, and the masters count %+v", tasks, page.Counts)
	}
}

// submit submits until a slot is free.
func submit(ctx context.Context, t *testing.T, c *client.Client, n int) uint64 {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		id, err := submitOnce(ctx, t, c, n)
		if err == nil {
			return id
		}
		if !passes(err) {
			t.Fatalf("submit the task of %d words: %v", n, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("submit the task of %d words: %v", n, err)
		}
	}
}

// passes tells whether an error is one of the moment: the key makes it safe to try
// again.
func passes(err error) bool {
	switch client.CodeOf(err) {
	case client.CodeFullCapacity, client.CodeNoSlaveForKind, client.CodeNoLeader, client.CodeOutcomeUnknown:
		return true
	default:
		return errors.Is(err, client.ErrNoLeader) || errors.Is(err, client.ErrUnreachable)
	}
}

func submitOnce(ctx context.Context, t *testing.T, c *client.Client, n int) (uint64, error) {
	t.Helper()
	asking, cancel := context.WithTimeout(ctx, timelimit.Usual(t))
	defer cancel()
	s := client.Submission{
		Kind: "wordcount", Expression: strings.TrimSpace(strings.Repeat("word ", n)),
		Parameters: client.Parameters{client.Parameter("seconds", "0.2")},
	}
	got, err := c.Submit(asking, s, client.SubmitOptions{Key: fmt.Sprintf("words-%d", n)})
	return got.Task.ID, err
}

// leader names the leader.
func leader(ctx context.Context, t *testing.T, c *client.Client, urls []string) string {
	t.Helper()
	for _, url := range urls {
		if s, err := c.Status(ctx, url, false); err == nil && s.Role == client.RoleLeader {
			return s.ID
		}
	}
	t.Fatal("no master says that it leads")
	return ""
}
