package demo

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// process is a child process that can be started again after it died: a master
// or a slave of the demo. Its methods may be called from anywhere.
type process struct {
	name    string
	command []string // the executable and its arguments
	logPath string   // what it writes to stderr, over all its lives

	mu     sync.Mutex
	cmd    *exec.Cmd     // of the current life; nil before the first
	dead   chan struct{} // closed when the current life has ended
	frozen bool
}

// start begins a life. A process that runs is left alone.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil
	}
	log, err := os.OpenFile(p.logPath, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", p.name, err)
	}
	defer log.Close()                                   //nolint:errcheck // the child has its own
	cmd := exec.Command(p.command[0], p.command[1:]...) //nolint:gosec,noctx // this executable; ended by kill, also after the context
	cmd.Env = withoutSettings(os.Environ())
	cmd.Stdout, cmd.Stderr = log, log
	separate(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	dead := make(chan struct{})
	go func() {
		defer close(dead)
		_ = cmd.Wait() // how it ended does not matter: everybody here may be killed
	}()
	p.cmd, p.dead, p.frozen = cmd, dead, false
	return nil
}

// withoutSettings drops the variables that would configure the children beside
// their flags.
func withoutSettings(env []string) []string {
	var out []string
	for _, v := range env {
		if !strings.HasPrefix(v, "MUSTER_") {
			out = append(out, v)
		}
	}
	return out
}

// running tells whether a life goes on. The caller holds mu.
func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.dead:
		return false
	default:
		return true
	}
}

// state tells whether the process runs, and whether it is frozen.
func (p *process) state() (runs, frozen bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	runs = p.running()
	return runs, runs && p.frozen
}

// pid is the current life's process id.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// kill ends the process as a power cut would, with the children it has, and
// returns when it is dead.
func (p *process) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return nil
	}
	if err := killGroup(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s (process %d): %w", p.name, p.cmd.Process.Pid, err)
	}
	select {
	case <-p.dead:
		return nil
	case <-time.After(killTimeout):
		return fmt.Errorf("kill %s (process %d): it is still there after %s", p.name, p.cmd.Process.Pid, killTimeout)
	}
}

const killTimeout = time.Minute

// freeze stops the process without ending it, or lets it go on.
func (p *process) freeze(frozen bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return fmt.Errorf("%s does not run", p.name)
	}
	if err := freezeGroup(p.cmd.Process, frozen); err != nil {
		return fmt.Errorf("freeze or thaw %s (process %d): %w", p.name, p.cmd.Process.Pid, err)
	}
	p.frozen = frozen
	return nil
}

// lastWords are the last lines of the process' log.
func (p *process) lastWords(lines int) string {
	data, err := os.ReadFile(p.logPath)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// sawConflict tells whether the process died because somebody else listens on
// one of its addresses.
func (p *process) sawConflict() bool {
	words := strings.ToLower(p.lastWords(20))
	return strings.Contains(words, "address already in use") || strings.Contains(words, "only one usage of each socket address")
}

// logName is where a process called name logs to, in dir.
func logName(dir, name string) string { return filepath.Join(dir, name+".log") }
