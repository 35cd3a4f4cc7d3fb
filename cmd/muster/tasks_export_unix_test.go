//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestTasksExportToNowhereFails: a script that closed its standard output has no
// export, and must not be told that it has.
func TestTasksExportToNowhereFails(t *testing.T) {
	f := newFake(t, export(true))
	for _, c := range []struct {
		redirect string
		code     int
		says     string
	}{{">&-", exitFailure, "standard output is closed"}, {">/dev/null", exitOK, ""}} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", `"$0" tasks export `+c.redirect, os.Args[0])
		cmd.Env = append(os.Environ(), "MUSTER_ADDRESS="+f.URL)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		_ = cmd.Run() // how it ended is looked at
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(stderr.String(), c.says) {
			t.Errorf("%s: exit %d, %s", c.redirect, code, &stderr)
		}
	}
}
