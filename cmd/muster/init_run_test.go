package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// TestAMasterAndASlaveStartWithWhatInitWrites runs on this machine, as it is.
func TestAMasterAndASlaveStartWithWhatInitWrites(t *testing.T) {
	dir := t.TempDir()
	masterFile, slaveFile := filepath.Join(dir, "master.yaml"), filepath.Join(dir, "slave.yaml")
	raft, api, listen := freeAddress(t), freeAddress(t), freeAddress(t)
	for _, args := range [][]string{
		{"init", "master", "--masters", "m1=" + raft + "=http://" + api, "--data", filepath.Join(dir, "data"), "--output", masterFile},
		{"init", "slave", "--masters", api, "--advertise", "127.0.0.1", "--name", "slave-1", "--output", slaveFile},
		{"config", "validate", masterFile},
		{"config", "validate", slaveFile},
	} {
		if o := muster(t, nil, args...); o.code != exitOK {
			t.Fatalf("%q: %+v", args, o)
		}
	}
	master := start(t, "master", "--config", masterFile)
	slave := start(t, "slave", "--config", slaveFile, "--listen", listen, "--advertise", "http://"+listen)
	env := []string{"MUSTER_ADDRESS=http://" + api, "MUSTER_REQUEST_TIMEOUT=" + timelimit.Usual(t).String()}
	var o outcome
	for deadline := time.Now().Add(timelimit.Usual(t)); ; { // until the slave has registered
		if o = muster(t, env, "submit", "6*7", "--wait", timelimit.Usual(t).String()); o.code != exitCapacity || time.Now().After(deadline) {
			break
		}
	}
	if o.code != exitOK || !strings.Contains(o.stdout, "42") {
		t.Errorf("%+v\n%s\n%s", o, master.logs, slave.logs)
	}
	if o := muster(t, nil, "config", "validate", masterFile); o.code != exitOK || strings.Contains(o.stdout, "data:") {
		t.Errorf("a directory in use: %+v", o)
	}
	// The real identity file is read right.
	text, err := os.ReadFile(masterFile)
	if err != nil {
		t.Fatal(err)
	}
	other := configFile(t, strings.ReplaceAll(strings.ReplaceAll(string(text), "id: m1", "id: m2"), "m1=", "m2="))
	if o := muster(t, nil, "config", "validate", other); o.code != exitUsage || !strings.Contains(o.stdout, `belongs to master "m1", not to "m2"`) {
		t.Errorf("another's directory: %+v", o)
	}
	if a, b := slave.end(t), master.end(t); a != exitOK || b != exitOK {
		t.Errorf("the slave ended with %d, the master with %d: %s", a, b, master.logs)
	}
}

// TestThisMachine holds what is found out against what must hold on any machine.
func TestThisMachine(t *testing.T) {
	m := thisMachine()
	if m.cores < 1 || m.dir == "" {
		t.Errorf("%+v", m)
	}
	for _, a := range m.addresses {
		if !usable(a.ip) || a.card == "" || !m.has(a.ip) {
			t.Errorf("%+v", a)
		}
	}
	if own := m.sourceTo(t.Context(), "127.0.0.1"); own.String() != "127.0.0.1" {
		t.Errorf("packets to 127.0.0.1 leave from %s", own)
	}
	if ips, err := m.resolve(t.Context(), "127.0.0.1"); err != nil || len(ips) != 1 {
		t.Errorf("%v, %v", ips, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.listen(t.Context(), l.Addr().String()); err == nil {
		t.Error("a port that is taken looks free")
	}
	l.Close()
	if err := m.listen(t.Context(), "127.0.0.1:0"); err != nil {
		t.Errorf("no port is free: %v", err)
	}
	if err := m.asked(t.Context(), "http://"+freeAddress(t)); err == nil {
		t.Error("nobody is there, and answers")
	}
	if err := m.asked(t.Context(), "ftp://x"); err == nil {
		t.Error("a URL of nothing answers")
	}
	f := newFake(t, map[string]answer{"GET /v1/status": {0, statusJSON("m1", "leader", "m1")}})
	if err := m.asked(t.Context(), f.URL); err != nil {
		t.Errorf("a master that answers: %v", err)
	}
}

func TestDirectoriesOfThisMachine(t *testing.T) {
	m, dir := thisMachine(), t.TempDir()
	file := configFile(t, "")
	if is, err := m.isDir(dir); !is || err != nil {
		t.Errorf("%v, %v", is, err)
	}
	if is, err := m.isDir(file); is || err != nil {
		t.Errorf("a file: %v, %v", is, err)
	}
	if _, err := m.isDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
	if err := m.writable(dir); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	if err := m.writable(file); err == nil {
		t.Error("a file is taken for a directory")
	}
}

func TestMemoryLimit(t *testing.T) {
	for _, c := range []struct {
		info, group string
		want        uint64
	}{
		{"MemTotal:        2048 kB\nMemFree: 1 kB\n", "", 2 << 20},
		{"MemTotal:        2048 kB\n", "max\n", 2 << 20},
		{"MemTotal:        2048 kB\n", "1048576\n", 1 << 20},
		{"MemTotal:        2048 kB\n", "9223372036854771712\n", 2 << 20},
		{"", "1048576\n", 0},
		{"nothing\n", "", 0},
	} {
		got := memoryLimit(func(path string) ([]byte, error) {
			text := map[string]string{"/proc/meminfo": c.info, "/sys/fs/cgroup/memory.max": c.group}[path]
			if text == "" {
				return nil, fs.ErrNotExist
			}
			return []byte(text), nil
		})
		if got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}
