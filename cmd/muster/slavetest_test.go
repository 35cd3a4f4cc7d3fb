package main

import (
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
