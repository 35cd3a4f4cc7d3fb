package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a program that was started, with all that it starts itself: they are a group.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error // how it ended; to be read when done is closed
}

// start starts a program; what it says goes to a file in dir.
func start(dir, name string, env []string, path string, args ...string) (*process, error) {
	log := filepath.Join(dir, name+".log")
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()                  //nolint:errcheck // the process has it
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // what is measured is what was asked for; it is ended by stop
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// ended says how it ended, if it did.
func (p *process) ended() error {
	select {
	case <-p.done:
		tail, _ := os.ReadFile(p.log) // without it, the state alone
		return fmt.Errorf("%s ended: %w; it said: …%s", filepath.Base(p.log), p.err, tail[max(0, len(tail)-500):])
	default:
		return nil
	}
}

// stop kills the process and what it started, and waits for its end.
func (p *process) stop() {
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL) // it may have ended
	<-p.done
}

// cpu is what a process has taken of the processors.
type cpu struct {
	own      time.Duration // by itself
	children time.Duration // by those that it started, whether they ended or not
}

// tick is what /proc counts in. Linux has told programs 100 a second on every machine since 2.6.
const tick = 10 * time.Millisecond

// used reads what a process and those that it started have taken so far.
func used(pid int) (cpu, error) {
	own, ended, err := times(pid)
	if err != nil {
		return cpu{}, err
	}
	c := cpu{own: own, children: ended}
	for _, child := range childrenOf(pid) {
		u, err := used(child)
		if err != nil {
			continue // it has ended, and is counted in its parent the next time
		}
		c.children += u.own + u.children
	}
	return c, nil
}

// times reads what a process took by itself, and what its children took that have ended and been waited for.
func times(pid int) (own, ended time.Duration, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The name of the program is in brackets and may hold anything.
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 15 {
		return 0, 0, fmt.Errorf("/proc/%d/stat is not understood: %q", pid, text)
	}
	var ticks [4]int64 // utime, stime, cutime, cstime: fields 14 to 17 of proc(5)
	for i := range ticks {
		if ticks[i], err = strconv.ParseInt(fields[11+i], 10, 64); err != nil {
			return 0, 0, err
		}
	}
	return time.Duration(ticks[0]+ticks[1]) * tick, time.Duration(ticks[2]+ticks[3]) * tick, nil
}

// childrenOf finds who was started by any thread of a process and runs.
func childrenOf(pid int) []int {
	var found []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is right
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // that thread has ended
		}
		for f := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(f); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}

// resident is the memory that a process has, in bytes: all of it, and that which is in no file.
func resident(pid int) (all, anonymous int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "VmRSS" && name != "RssAnon" {
			continue
		}
		kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		if name == "VmRSS" {
			all = kib << 10
		} else {
			anonymous = kib << 10
		}
	}
	if all == 0 {
		return 0, 0, errors.New("the system does not say what memory a process has")
	}
	return all, anonymous, nil
}

// beNice sets the niceness of this process and of what it will start. Where the system shares
// the processors out among sessions first, it sets that of the session, too.
func beNice(n int) error {
	if err := syscall.Setpriority(syscall.PRIO_PGRP, 0, n); err != nil {
		return err
	}
	err := os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(n)), 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil // there are no such shares
	}
	return err
}

// freePorts finds ports of loopback that nobody listens on.
func freePorts(n int) ([]string, error) {
	var found []string
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close() // nothing came in
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held = append(held, l)
		found = append(found, l.Addr().String())
	}
	return found, nil
}
