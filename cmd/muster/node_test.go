package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// process is a command that runs until it is told to end.
type process struct {
	cancel context.CancelFunc
	code   chan int
	logs   *logs
}

// logs may be written and read at the same time.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &process{cancel: cancel, code: make(chan int, 1), logs: &logs{}}
	go func() { p.code <- run(ctx, args, strings.NewReader(""), io.Discard, p.logs, nil) }()
	t.Cleanup(cancel)
	return p
}

// end is what a SIGTERM does; it returns the exit code.
func (p *process) end(t *testing.T) int {
	t.Helper()
	p.cancel()
	select {
	case code := <-p.code:
		return code
	case <-time.After(timelimit.Usual(t)):
		t.Fatalf("it does not end; its logs:\n%s", p.logs)
		return 0
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestAMasterAndASlave runs the original set-up, one master and a slave, by the
// commands that a user types.
func TestAMasterAndASlave(t *testing.T) {
	raft, api, url := freeAddress(t), freeAddress(t), freeAddress(t)
	master := start(t, "master", "--id", "m1", "--data", t.TempDir(), "--raft-listen", raft, "--api-listen", api, "--bootstrap", "--question-ttl", "0", "--log-format", "json")
	slave := start(t, "slave", "--name", "slave-1", "--listen", url, "--masters", "http://"+api)
	env := []string{"MUSTER_ADDRESS=http://" + api, "MUSTER_REQUEST_TIMEOUT=" + timelimit.Usual(t).String()}

	// The slave registers when the master is up; until then there is no capacity.
	var o outcome
	for deadline := time.Now().Add(timelimit.Usual(t)); ; {
		o = muster(t, env, "submit", "2+3*x", "-p", "x=4", "--wait", timelimit.Usual(t).String(), "--explain")
		if o.code != exitCapacity || time.Now().After(deadline) {
			break
		}
	}
	o.want(t, "submit", exitOK, `
SLAVE    ANSWER           FROM
slave-1  I am available.  slave
Task successfully assigned to slave-1.
Task 1 is done: 14
`, "")
	if o := muster(t, env, "status"); o.code != exitOK || !strings.Contains(o.stdout, "m1  leader") {
		t.Errorf("status: %+v", o)
	}
	if code := slave.end(t); code != exitOK {
		t.Errorf("the slave ended with %d: %s", code, slave.logs)
	}
	if o := muster(t, env, "slaves", "list", "-o", "jsonl"); !strings.Contains(o.stdout, `"state":"left"`) {
		t.Errorf("the slave did not say goodbye: %+v", o)
	}
	if code := master.end(t); code != exitOK {
		t.Errorf("the master ended with %d: %s", code, master.logs)
	}
	for line := range strings.Lines(master.logs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("a line of the log is not JSON: %s", line)
		}
	}
	if !strings.Contains(master.logs.String(), "leading") {
		t.Errorf("the log does not say that it became the leader: %s", master.logs)
	}
}

func TestAnAddressThatIsTakenIsSaid(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := muster(t, nil, "master", "--id", "m1", "--data", t.TempDir(), "--raft-listen", freeAddress(t), "--api-listen", l.Addr().String(), "--bootstrap")
	if o.code != exitFailure || !strings.Contains(o.stderr, l.Addr().String()) || !strings.Contains(o.stderr, "--api-listen") {
		t.Errorf("%+v", o)
	}
}
