package masters

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
)

// Build compiles muster as a user would.
func Build(ctx context.Context, path string) error {
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "muster/cmd/muster").CombinedOutput() //nolint:gosec // into a directory of its own
	if err != nil {
		return fmt.Errorf("build muster: %w\n%s", err, out)
	}
	return nil
}

// StartProcess starts a program whose output goes to a file, with none of the
// settings that this process may have in its environment. End it with Kill.
func StartProcess(program, logPath string, args ...string) (*exec.Cmd, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // the muster that is measured; Kill ends it
	cmd.Stdout, cmd.Stderr = log, log
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MUSTER_") { // they are settings
			cmd.Env = append(cmd.Env, v)
		}
	}
	dieWithParent(cmd)
	return cmd, errors.Join(cmd.Start(), log.Close())
}

// Kill ends a process as kill -9 does, and waits for its end. Of nil it does nothing.
func Kill(cmd *exec.Cmd) error {
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = cmd.Wait() // it was killed
	return nil
}

// FreeAddresses returns addresses on which nobody listens at the moment.
func FreeAddresses(n int) ([]string, error) {
	var out []string
	var all []net.Listener // held until all are chosen, so that they differ
	var failed error
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			failed = err
			break
		}
		all = append(all, l)
		out = append(out, l.Addr().String())
	}
	for _, l := range all {
		failed = errors.Join(failed, l.Close())
	}
	return out, failed
}
