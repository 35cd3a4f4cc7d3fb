package hostile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// binary is the path of muster, built by TestMain.
var binary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "muster")
	// As users build it: the race detector would multiply the memory that is
	// measured here.
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/muster").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "hostile: build muster: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a master or a slave that runs.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *transcript
	dead chan struct{} // closed when it has been waited for
}

// start starts a process; the test's end ends it.
func start(t *testing.T, name string, env []string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(binary, args...), log: &transcript{}, dead: make(chan struct{})}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MUSTER_") {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = attributes()
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.dead)
		_ = p.cmd.Wait() // how it ended is in its ProcessState
	}()
	t.Cleanup(func() {
		p.end(t)
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, p.log.tail(3000))
		}
	})
	return p
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// alive tells whether the process runs.
func (p *process) alive() bool {
	select {
	case <-p.dead:
		return false
	default:
		return true
	}
}

// end has the process end as an operator would, and kills it if it does not.
func (p *process) end(t *testing.T) {
	t.Helper()
	if !p.alive() {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("end %s: %v", p.name, err)
	}
	select {
	case <-p.dead:
	case <-time.After(timelimit.Of(t, 45*time.Second)):
		t.Errorf("%s does not end", p.name)
		p.kill()
	}
}

// kill ends the process as a power cut would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead
	<-p.dead
}

// transcript is what a process wrote to stderr.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer // under mu
}

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *transcript) tail(n int) string {
	s := l.String()
	return s[max(0, len(s)-n):]
}

// eventually asks again until the answer is nil. It is for the test's own goroutine.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	timelimit.Eventually(t, what, func(context.Context) error { return ask() })
}

// poll asks again until the answer is nil, in bounded time, and returns the last
// answer.
func poll(t *testing.T, ask func() error) error {
	t.Helper()
	return timelimit.Poll(t, func(context.Context) error { return ask() })
}
