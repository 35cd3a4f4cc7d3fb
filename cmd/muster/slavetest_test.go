package main

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// The rules themselves are tested in cmd/slavetest.
func TestSlaveTest(t *testing.T) {
	if o := muster(t, nil, "slave-test"); o.code != exitUsage || !strings.Contains(o.stderr, "URL is missing") {
		t.Errorf("without a URL: %+v", o)
	}
	nobody := []string{"slave-test", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--register-within", "10ms"}
	o := muster(t, nil, nobody...)
	if o.code != exitFailure || !strings.Contains(o.stdout, "registers") || !strings.Contains(o.stderr, "1 of ") {
		t.Errorf("without a slave: %+v", o)
	}
	o = muster(t, nil, append(nobody, "-o", "json")...)
	if got := canonical(t, o.stdout); o.code != exitFailure || !strings.Contains(got, `"failed":1`) || !strings.Contains(got, `"outcome":"failed"`) {
		t.Errorf("as JSON: %+v", o)
	}
	o = muster(t, nil, append(nobody, "--", "no-such-command")...)
	if o.code != exitFailure || !strings.Contains(o.stderr, "no-such-command") {
		t.Errorf("a command that is not there: %+v", o)
	}
}

// TestOurSlaveConforms tests a slave in a process of its own. It mostly waits: for
// a task of two seconds to end in a drain, and half a second each time that nothing
// may come.
func TestOurSlaveConforms(t *testing.T) {
	self, master := freeAddress(t), freeAddress(t)
	o := muster(t, nil, "slave-test", "http://"+self, "--listen", master, "--want", "14",
		"--long-expression", "sleep(2)", "--long", "2s", "--quiet", "500ms",
		"--", os.Args[0], "slave", "--name", "slave-1", "--listen", self, "--slots", "2", "--masters", "http://"+master)
	if o.code != exitOK || strings.Contains(o.stdout, " skipped ") && runtime.GOOS != "windows" {
		t.Errorf("%+v", o)
	}
}
