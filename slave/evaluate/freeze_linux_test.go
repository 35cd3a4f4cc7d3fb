package evaluate

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"muster/systemtest/timelimit"
)

// TestAFrozenProcess stops a process, so that it neither reads nor answers, and
// gives it more than fits into its pipe: every task ends at its own time-out.
func TestAFrozenProcess(t *testing.T) {
	p := newPool(t, 1)
	ctx := timelimit.Context(t)
	process := p.process(ctx, t)
	if err := process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	short := within(t, 300*time.Millisecond)
	start := time.Now()
	var wg sync.WaitGroup
	for range 600 {
		wg.Go(func() {
			if v, err := p.Evaluate(short, order("'"+strings.Repeat("a", 4000)+"'")); err == nil {
				t.Errorf("a stopped process answered %.20v", v)
			}
		})
	}
	wg.Wait()
	if took := time.Since(start); took > timelimit.Usual(t) {
		t.Errorf("took %v", took)
	}
	if v, err := p.Evaluate(ctx, order("1+1")); err != nil || v.Text != "2" {
		t.Errorf("afterwards: %v, %v", v, err)
	}
}

// TestNoOrphans kills a slave, whose process is stopped and so can't see its
// input end.
func TestNoOrphans(t *testing.T) {
	slave := exec.CommandContext(timelimit.Context(t), os.Args[0])
	slave.Env = append(os.Environ(), childEnv+"="+orphaning)
	stdin, err := slave.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }() // the slave is dead
	stdout, err := slave.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := slave.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	handle, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(handle) }() // it was only read
	if err := unix.PidfdSendSignal(handle, unix.SIGSTOP, nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := slave.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Wait() // killed, as it should be
	ready, err := poll(handle, timelimit.Usual(t))
	if err != nil {
		t.Fatal(err)
	}
	if !ready {
		_ = unix.PidfdSendSignal(handle, unix.SIGKILL, nil, 0) // what the system did not do
		t.Error("the process outlived its slave")
	}
}

// poll waits for a process to end.
func poll(handle int, most time.Duration) (ended bool, err error) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(handle), Events: unix.POLLIN}}, int(most.Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return n > 0, err
		}
	}
}
