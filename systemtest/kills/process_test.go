package kills_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// process is a child process, over all its lives. One goroutine uses it.
type process struct {
	t       *testing.T
	name    string
	command []string
	logPath string // what it writes to stderr and stdout, over all its lives

	lives int
	cmd   *exec.Cmd
	ended chan struct{} // of the current life; closed when it is over
	err   error         // how it ended; valid after ended
}

// start begins a life.
func (p *process) start() {
	p.t.Helper()
	log, err := os.OpenFile(p.logPath, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close() // the child has its own
	p.lives++
	fmt.Fprintf(log, "--- life %d of %s\n", p.lives, p.name)
	cmd := exec.Command(p.command[0], p.command[1:]...)
	cmd.Env = withoutSettings(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	go func() {
		defer close(ended)
		p.err = cmd.Wait()
	}()
}

// withoutSettings drops the variables that would configure children beside their
// flags.
func withoutSettings(env []string) []string {
	var out []string
	for _, v := range env {
		if !strings.HasPrefix(v, "MUSTER_") {
			out = append(out, v)
		}
	}
	return out
}

// runs reports whether a life goes on.
func (p *process) runs() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// signal sends a signal and does not wait for what comes of it.
func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("send %v to %s (process %d): %v", s, p.name, p.cmd.Process.Pid, err)
	}
}

// awaitEnd waits until the life is over. It returns the exit code, -1 after a
// signal that ended it.
func (p *process) awaitEnd() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(limit(p.t)):
		p.t.Fatalf("%s (process %d) did not end within %v", p.name, p.cmd.Process.Pid, limit(p.t))
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return exit.ExitCode()
	}
	if p.err != nil {
		p.t.Fatalf("wait for %s: %v", p.name, p.err)
	}
	return 0
}

// end kills a process at the end of a test. It fails nothing: the test is over.
func (p *process) end() {
	if !p.runs() {
		return
	}
	_ = p.cmd.Process.Kill() // it may just have ended
	<-p.ended                // the kernel keeps this promise
}

// words returns what the process has written.
func (p *process) words() string {
	p.t.Helper()
	text, err := os.ReadFile(p.logPath)
	if err != nil {
		p.t.Errorf("read what %s wrote: %v", p.name, err)
	}
	return string(text)
}

// lastLines are the last lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
