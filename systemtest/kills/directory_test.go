package kills_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/api/client"
	"muster/systemtest/ports"
)

// TestTwoProcessesOnOneDirectory starts a second master on the directory of one
// that runs. The second says what to do and ends; the first notices nothing.
func TestTwoProcessesOnOneDirectory(t *testing.T) {
	c := newCluster(t)
	first := c.masters[0]
	c.masters = c.masters[:1]
	data := filepath.Join(c.dir, "m1")
	_, raft, _ := strings.Cut(strings.Join(first.command, " "), "--raft-listen ")
	raft, _, _ = strings.Cut(raft, " ")
	common := []string{"master", "--data", data, "--bootstrap"}
	first.process = c.process("m1", append(common, "--id", "m1", "--raft-listen", raft, "--api-listen", first.host())...)
	first.start()
	_, term := c.awaitReady()
	c.startSlave("slave-1")
	identity := read(t, filepath.Join(data, "identity.json"))

	for _, x := range []struct {
		what string
		args []string
		says []string
	}{
		{
			"the same master with other addresses",
			[]string{"--id", "m1", "--raft-listen", ports.Free(c.t, c.host), "--api-listen", ports.Free(c.t, c.host)},
			[]string{data, "another process has it open", "stop the one that runs on it", "a directory of its own"},
		},
		{
			"another master",
			[]string{"--id", "m2", "--raft-listen", ports.Free(c.t, c.host), "--api-listen", ports.Free(c.t, c.host)},
			[]string{data, "another process has it open", "stop the one that runs on it", "a directory of its own"},
		},
		{
			"the same command once more",
			[]string{"--id", "m1", "--raft-listen", raft, "--api-listen", first.host()},
			[]string{"address already in use", first.host(), "--api-listen"},
		},
	} {
		second := c.process("second", append(common, x.args...)...)
		second.logPath = filepath.Join(c.dir, strings.ReplaceAll(x.what, " ", "-")+".log")
		second.start()
		t.Cleanup(second.end)
		if code := second.awaitEnd(); code != 1 {
			t.Errorf("%s: exit code %d, want 1", x.what, code)
		}
		for _, words := range x.says {
			if !strings.Contains(second.words(), words) {
				t.Errorf("%s: it does not say %q:\n%s", x.what, words, second.words())
			}
		}
	}

	if leader, now := c.awaitReady(); now != term {
		t.Errorf("%s leads in term %d, it was %d", leader.id, now, term)
	}
	if now := read(t, filepath.Join(data, "identity.json")); now != identity {
		t.Errorf("the identity was\n%s\nand is\n%s", identity, now)
	}
	c.computes(2, 3)
}

// computes has a task done.
func (c *cluster) computes(a, b int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit(c.t))
	defer cancel()
	got, err := c.api.Submit(ctx, client.Submission{Expression: fmt.Sprintf("%d * %d", a, b)}, client.SubmitOptions{})
	if err == nil {
		got.Task, err = c.api.Wait(ctx, got.Task.ID)
	}
	if err != nil || got.Task.Result == nil || *got.Task.Result != fmt.Sprint(a*b) {
		c.t.Errorf("%d * %d: %+v, %v", a, b, got.Task, err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
