//go:build unix

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/systemtest/ports"
)

// These tests run muster as a process of its own: they are about what the system
// does to one.

// waitTime bounds every wait of these tests; only a failure reaches it.
const waitTime = 2 * time.Minute

// child is muster as a process. The test's own binary stands in for it; see TestMain.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	ended chan struct{}
	err   error // valid after ended
}

// startChild starts muster with a given stderr.
func startChild(t *testing.T, stderr *os.File, command ...string) *child {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = stderr
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MUSTER_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		c.err = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-c.ended
	})
	return c
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatalf("send %s to %v: %v; it ended with %v", s, c.cmd.Args, err, c.err)
	}
}

// wantEnd waits for a graceful end.
func (c *child) wantEnd() {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(waitTime):
		c.t.Fatalf("%v does not end", c.cmd.Args)
	}
	if c.err != nil {
		c.t.Errorf("%v ended with %v", c.cmd.Args, c.err)
	}
}

// runs reports whether it has not ended.
func (c *child) runs() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// await asks a URL until the answer is as wanted. A process that ends fails the test.
func (c *child) await(url string, wanted func(status int, body []byte) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), waitTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for {
		status, body, err := get(ctx, url)
		if err == nil && wanted(status, body) {
			return
		}
		if ctx.Err() == nil {
			last = fmt.Sprintf("%d %s %v", status, body, err)
		}
		select {
		case <-tick.C:
		case <-c.ended:
			c.t.Fatalf("%v ended with %v; %s answered %s", c.cmd.Args, c.err, url, last)
		case <-ctx.Done():
			c.t.Fatalf("%s never answered as wanted, at last %s", url, last)
		}
	}
}

func get(ctx context.Context, url string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func ok(status int, _ []byte) bool { return status == http.StatusOK }

// pair is a master and a slave, each with a stderr of the test's making.
type pair struct {
	master, slave       *child
	masterURL, slaveURL string
}

func startPair(t *testing.T, masterErr, slaveErr *os.File) *pair {
	t.Helper()
	api, url := ports.Free(t, "127.0.0.1"), ports.Free(t, "127.0.0.1")
	p := &pair{masterURL: "http://" + api, slaveURL: "http://" + url}
	p.master = startChild(t, masterErr, os.Args[0], "master", "--id", "m1", "--data", t.TempDir(),
		"--raft-listen", ports.Free(t, "127.0.0.1"), "--api-listen", api, "--bootstrap", "--log-level", "debug")
	p.master.await(p.masterURL+"/readyz", ok)
	p.slave = startChild(t, slaveErr, os.Args[0], "slave", "--name", "slave-1", "--listen", url, "--masters", p.masterURL)
	p.slave.await(p.masterURL+"/v1/slaves", func(_ int, body []byte) bool { return strings.Contains(string(body), `"alive"`) })
	return p
}

// computes has a task done.
func (p *pair) computes(t *testing.T) {
	t.Helper()
	env := []string{"MUSTER_ADDRESS=" + p.masterURL, "MUSTER_REQUEST_TIMEOUT=1m"}
	if o := muster(t, env, "submit", "6*7", "--wait", "2m", "-o", "json"); o.code != exitOK || !strings.Contains(o.stdout, `"result": "42"`) {
		t.Errorf("submit: %+v; master runs: %v, slave runs: %v", o, p.master.runs(), p.slave.runs())
	}
}

// fullPipe is a pipe that takes nothing any more, and its reader.
func fullPipe(t *testing.T) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() }) // a test may have closed it
	t.Cleanup(func() { _ = writer.Close() })
	fd := int(writer.Fd())
	if err := syscall.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{4096, 1} {
		for err = nil; err == nil; {
			_, err = syscall.Write(fd, make([]byte, size))
		}
		if !errors.Is(err, syscall.EAGAIN) {
			t.Fatal(err)
		}
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return reader, writer
}

// TestALogThatNobodyReadsHoldsNobodyUp gives a master and a slave a stderr that
// takes nothing. They work, and they end.
func TestALogThatNobodyReadsHoldsNobodyUp(t *testing.T) {
	_, masterErr := fullPipe(t)
	_, slaveErr := fullPipe(t)
	p := startPair(t, masterErr, slaveErr)
	p.computes(t)
	p.slave.signal(syscall.SIGTERM)
	p.slave.wantEnd()
	p.master.signal(syscall.SIGTERM)
	p.master.wantEnd()
}

// TestALogThatIsReadAgainHasAllLines: nothing is lost that there was room for.
func TestALogThatIsReadAgainHasAllLines(t *testing.T) {
	reader, masterErr := fullPipe(t)
	p := startPair(t, masterErr, nil)
	p.computes(t)
	if err := masterErr.Close(); err != nil { // the master has its own
		t.Fatal(err)
	}
	p.master.signal(syscall.SIGTERM)
	all, err := io.ReadAll(reader) // until the master ends
	if err != nil {
		t.Fatal(err)
	}
	p.master.wantEnd()
	log := strings.Trim(string(all), "\x00")
	for _, want := range []string{"msg=serving", "msg=leading", "path=/v1/tasks", `msg=ending signal=terminated`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %q:\n%s", want, log)
		}
	}
	if strings.Contains(log, "lines are missing") {
		t.Errorf("lines are missing:\n%s", log)
	}
}

// TestAClosedStderrEndsNobody: who reads the log has gone away.
func TestAClosedStderrEndsNobody(t *testing.T) {
	var errs []*os.File
	for range 2 {
		r, w, err := os.Pipe()
		if err == nil {
			err = r.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		errs = append(errs, w)
	}
	p := startPair(t, errs[0], errs[1])
	p.computes(t)
	p.master.await(p.masterURL+"/metrics", func(_ int, body []byte) bool {
		return strings.Contains(string(body), "\nmuster_log_lines_dropped_total ") && !strings.Contains(string(body), "\nmuster_log_lines_dropped_total 0\n")
	})
	p.slave.signal(syscall.SIGTERM)
	p.slave.wantEnd()
	p.master.signal(syscall.SIGTERM)
	p.master.wantEnd()
}

// reading collects what a child writes to its stderr.
type reading struct {
	mu   sync.Mutex
	text strings.Builder // under mu
	more chan struct{}   // has a value when there is more
}

func readStderr(t *testing.T) (*reading, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	t.Cleanup(func() { _ = w.Close() })
	x := &reading{more: make(chan struct{}, 1)}
	go func() { // the pipe's end is its end
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			x.mu.Lock()
			x.text.WriteString(lines.Text() + "\n")
			x.mu.Unlock()
			select {
			case x.more <- struct{}{}:
			default:
			}
		}
	}()
	return x, w
}

func (x *reading) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// await waits until something was written.
func (x *reading) await(t *testing.T, text string) {
	t.Helper()
	for end := time.After(waitTime); !strings.Contains(x.String(), text); {
		select {
		case <-x.more:
		case <-end:
			t.Fatalf("nobody wrote %q:\n%s", text, x)
		}
	}
}

// TestAHangupDrainsAndHandsOver: a terminal that closes is no kill -9, and the
// second SIGHUP that comes with it is none, either.
func TestAHangupDrainsAndHandsOver(t *testing.T) {
	masterLog, masterErr := readStderr(t)
	slaveLog, slaveErr := readStderr(t)
	p := startPair(t, masterErr, slaveErr)
	env := []string{"MUSTER_ADDRESS=" + p.masterURL, "MUSTER_REQUEST_TIMEOUT=1m"}
	if o := muster(t, env, "submit", "sleep(1)", "--max-tries", "1"); o.code != exitOK {
		t.Fatalf("submit: %+v", o)
	}
	p.slave.await(p.slaveURL+"/available", func(_ int, body []byte) bool {
		var answer struct {
			Free *int `json:"free"`
		}
		return json.Unmarshal(body, &answer) == nil && answer.Free != nil && *answer.Free == 0
	})
	p.slave.signal(syscall.SIGHUP)
	slaveLog.await(t, "msg=draining")
	p.slave.signal(syscall.SIGHUP)
	p.slave.signal(syscall.SIGHUP)
	if o := muster(t, env, "tasks", "wait", "1", "--for", "2m"); o.code != exitOK {
		t.Errorf("the task: %+v", o)
	}
	p.slave.wantEnd()
	slaveLog.await(t, `msg=ending signal=hangup`)

	p.master.signal(syscall.SIGHUP)
	p.master.wantEnd()
	masterLog.await(t, `msg=ending signal=hangup`)
	masterLog.await(t, `msg="not leading any more"`)
}

// TestNohupIsRespected: who ignores SIGHUP for a process means it.
func TestNohupIsRespected(t *testing.T) {
	log, stderr := readStderr(t)
	api := ports.Free(t, "127.0.0.1")
	master := startChild(t, stderr, "/bin/sh", "-c", `trap "" HUP; exec "$0" "$@"`, os.Args[0],
		"master", "--id", "m1", "--data", t.TempDir(), "--raft-listen", ports.Free(t, "127.0.0.1"), "--api-listen", api, "--bootstrap")
	master.await("http://"+api+"/readyz", ok)
	master.signal(syscall.SIGHUP)
	master.await("http://"+api+"/readyz", ok)
	master.signal(syscall.SIGTERM)
	master.wantEnd()
	log.await(t, `msg=ending signal=terminated`)
}

// TestAMasterThatWaitsForOthersEndsInPeace: a signal is no failure, whatever it
// interrupts.
func TestAMasterThatWaitsForOthersEndsInPeace(t *testing.T) {
	log, stderr := readStderr(t)
	raft, api := ports.Free(t, "127.0.0.1"), ports.Free(t, "127.0.0.1")
	list := "m1=" + raft + "=http://" + api + ",m2=" + ports.Free(t, "127.0.0.1") + "=http://" + ports.Free(t, "127.0.0.1")
	master := startChild(t, stderr, os.Args[0], "master", "--id", "m1", "--data", t.TempDir(), "--raft-listen", raft, "--api-listen", api, "--masters", list)
	master.await("http://"+api+"/healthz", ok)
	master.signal(syscall.SIGHUP)
	master.wantEnd()
	log.await(t, `msg=ending signal=hangup`)
}
