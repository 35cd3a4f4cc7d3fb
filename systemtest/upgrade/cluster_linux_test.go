package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/ports"
)

// atMost bounds every wait; it is only reached by a failure.
const atMost = 2 * time.Minute

// process is a master or a slave, over all its lives.
type process struct {
	t       *testing.T
	name    string
	url     string
	args    []string
	logPath string

	version string // of the present life: the binary
	cmd     *exec.Cmd
	ended   chan struct{} // closed when the life is over
	err     error         // how it ended; valid after ended
}

// start begins a life of one version.
func (p *process) start(binary string) {
	p.t.Helper()
	log, err := os.OpenFile(p.logPath, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close() // the child has its own
	fmt.Fprintf(log, "--- %s, version %s\n", p.name, filepath.Base(binary))
	cmd := exec.Command(binary, p.args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir()}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.version = cmd, ended, binary
	go func() {
		defer close(ended)
		p.err = cmd.Wait()
	}()
}

// stop ends the life as an orchestrator does, and wants it to end well.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop %s: %v", p.name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(atMost):
		p.t.Fatalf("%s did not end", p.name)
	}
	if p.err != nil {
		p.t.Errorf("%s ended with: %v", p.name, p.err)
	}
}

// kill ends it at the end of a test.
func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended                // the kernel keeps this promise
	}
	if text, err := os.ReadFile(p.logPath); err == nil && p.t.Failed() {
		p.t.Logf("%s wrote:\n%s", p.name, text)
	}
}

// system is three masters and some slaves.
type system struct {
	t       *testing.T
	client  *client.Client
	probe   *http.Client // of the orchestrator
	masters []*process
	slaves  []*process
}

// newSystem starts a cluster of one version and waits until it is ready.
func newSystem(t *testing.T, binary string) *system {
	t.Helper()
	s := &system{t: t, probe: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}}
	dir := t.TempDir()
	var list, urls []string
	raft := map[int]string{}
	for i := range 3 {
		raft[i] = ports.Free(t, "127.0.0.1")
		urls = append(urls, "http://"+ports.Free(t, "127.0.0.1"))
		list = append(list, fmt.Sprintf("m%d=%s=%s", i+1, raft[i], urls[i]))
	}
	add := func(name, url string, args ...string) *process {
		p := &process{t: t, name: name, url: url, args: args, logPath: filepath.Join(dir, name+".log")}
		t.Cleanup(p.kill)
		p.start(binary)
		return p
	}
	for i, url := range urls {
		id := fmt.Sprintf("m%d", i+1)
		s.masters = append(s.masters, add(id, url, "master", "--id", id, "--data", filepath.Join(dir, id),
			"--raft-listen", raft[i], "--api-listen", strings.TrimPrefix(url, "http://"), "--masters", strings.Join(list, ",")))
	}
	for _, m := range s.masters {
		s.ready(m)
	}
	for i := range 2 {
		name, listen := fmt.Sprintf("slave-%d", i+1), ports.Free(t, "127.0.0.1")
		s.slaves = append(s.slaves, add(name, "http://"+listen, "slave", "--name", name, "--listen", listen, "--slots", "4", "--masters", strings.Join(urls, ",")))
	}
	c, err := client.New(client.Config{Addresses: urls})
	if err != nil {
		t.Fatal(err)
	}
	s.client = c
	t.Cleanup(c.Close)
	for _, x := range s.slaves {
		s.registered(x, "")
	}
	return s
}

// await repeats a question until it is answered without an error.
func (s *system) await(what string, ask func(ctx context.Context) error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), atMost)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("waited %v for %s: %v", atMost, what, err)
		}
	}
}

// ready waits until a master says at /readyz that it is ready.
func (s *system) ready(m *process) {
	s.t.Helper()
	s.await(m.name+" to be ready", func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := s.probe.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", resp.Status, text)
		}
		return err
	})
}

// registered waits until a slave is in the registry as another incarnation than
// before, which it returns.
func (s *system) registered(x *process, before string) (incarnation string) {
	s.t.Helper()
	s.await(x.name+" to register", func(ctx context.Context) error {
		slaves, err := s.client.Slaves(ctx, client.ReadOptions{Linearizable: true})
		if err != nil {
			return err
		}
		for _, got := range slaves {
			if got.Name == x.name && got.State == "alive" && got.Incarnation != before {
				incarnation = got.Incarnation
				return nil
			}
		}
		return fmt.Errorf("the registry is %+v", slaves)
	})
	return incarnation
}

// leader returns the master that leads.
func (s *system) leader() (leader *process) {
	s.t.Helper()
	s.await("a leader", func(ctx context.Context) error {
		var errs []error
		for _, m := range s.masters {
			st, err := s.client.Status(ctx, m.url, false)
			if err == nil && st.Role == client.RoleLeader {
				leader = m
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(append(errs, errors.New("no master says that it leads"))...)
	})
	return leader
}

// replace ends a process and starts it in another version.
func (s *system) replace(p *process, binary string) {
	s.t.Helper()
	s.t.Logf("%s becomes %s", p.name, filepath.Base(binary))
	p.stop()
	p.start(binary)
}

// agree waits until all masters have applied the same entries, and wants them to have
// made the same of them.
func (s *system) agree() {
	s.t.Helper()
	s.await("the masters to be equally far", func(ctx context.Context) error {
		var first client.Status
		for i, m := range s.masters {
			st, err := s.client.Status(ctx, m.url, true)
			switch {
			case err != nil:
				return err
			case st.Fingerprint == "":
				return fmt.Errorf("%s shows no fingerprint", m.name)
			case i == 0:
				first = st
			case st.AppliedIndex != first.AppliedIndex:
				return fmt.Errorf("%s has applied %d entries, %s %d", s.masters[0].name, first.AppliedIndex, m.name, st.AppliedIndex)
			case st.Fingerprint != first.Fingerprint:
				s.t.Errorf("at index %d %s has the state %s, and %s %s", first.AppliedIndex, s.masters[0].name, first.Fingerprint, m.name, st.Fingerprint)
				return nil
			}
		}
		return nil
	})
}
