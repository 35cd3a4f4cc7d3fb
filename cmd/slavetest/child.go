package slavetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Command returns a Config.Start that runs a slave as a child process. What it
// writes goes to log.
func Command(command []string, log io.Writer) func(ctx context.Context) (Life, error) {
	return func(context.Context) (Life, error) {
		cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // the user's own command; it is ended by Kill, also after the context
		cmd.Stdout, cmd.Stderr = log, log
		cmd.WaitDelay = time.Second // its own children may keep the log open
		if err := cmd.Start(); err != nil {
			return nil, fmt.Errorf("start %q: %w", command[0], err)
		}
		c := &child{cmd: cmd, ended: make(chan struct{})}
		go func() {
			defer close(c.ended)
			_ = cmd.Wait() // how it ended is seen by its goodbye, or not
		}()
		return c, nil
	}
}

// child is a slave in a process of its own. Its goroutine ends with Kill.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// Term implements Life.
func (c *child) Term() error {
	if runtime.GOOS == "windows" {
		return ErrNoSignal
	}
	err := c.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Ended implements Life.
func (c *child) Ended() <-chan struct{} { return c.ended }

// Kill implements Life.
func (c *child) Kill() error {
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end the slave (process %d): %w", c.cmd.Process.Pid, err)
	}
	<-c.ended // the kernel keeps this promise
	return nil
}
