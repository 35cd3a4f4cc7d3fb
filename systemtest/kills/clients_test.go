package kills_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"muster/api/client"
)

// TestClientsGoOnWhenTheirMasterIsKilled kills the leader while commands and slaves
// talk to it: a watch goes on at another master, a slave reports there, and who
// comes after that is not kept by the dead one that is the first in its list.
func TestClientsGoOnWhenTheirMasterIsKilled(t *testing.T) {
	c := newCluster(t)
	for _, m := range c.masters {
		m.start()
	}
	leader, _ := c.awaitReady()
	urls := append([]string{leader.url}, slices.DeleteFunc(c.urls(), func(u string) bool { return u == leader.url })...)
	list := strings.Join(urls, ",")
	c.startUnwatched("slave-1")
	watch := c.process("watch", "tasks", "watch", "--address", list, "-o", "jsonl")
	t.Cleanup(watch.end)
	watch.start()
	c.await("the watch to begin", func(ctx context.Context) error {
		if _, err := c.api.Submit(ctx, client.Submission{Expression: "1"}, client.SubmitOptions{}); err != nil {
			return err
		}
		if len(watched(watch)) == 0 {
			return fmt.Errorf("it says %q", watch.words())
		}
		return nil
	})
	running, err := c.api.Submit(t.Context(), client.Submission{Expression: "sleep(1) + 41", TimeoutMS: limit(t).Milliseconds()}, client.SubmitOptions{})
	if err != nil {
		t.Fatal(err)
	}

	leader.signal(os.Kill)
	leader.awaitEnd()
	submit := exec.CommandContext(t.Context(), program, "submit", "--address", list, "--request-timeout", limit(t).String(), "-o", "json", "2 + 3")
	submit.Env = withoutSettings(os.Environ())
	var said, complaint bytes.Buffer
	submit.Stdout, submit.Stderr = &said, &complaint
	if err := submit.Run(); err != nil {
		t.Fatalf("submit: %v: %s", err, complaint.String())
	}
	var submitted struct {
		Task client.Task `json:"task"`
	}
	if err := json.Unmarshal(said.Bytes(), &submitted); err != nil || submitted.Task.ID == 0 {
		t.Fatalf("submit said %s (%v)", said.String(), err)
	}
	c.startUnwatched("slave-2")
	for _, id := range []uint64{running.Task.ID, submitted.Task.ID} {
		c.await(fmt.Sprintf("task %d to be done, and the watch to say so", id), func(ctx context.Context) error {
			got, err := c.api.Task(ctx, id, client.ReadOptions{})
			if err != nil {
				return err
			}
			if got.Status != client.TaskDone || !slices.Contains(watched(watch), fmt.Sprintf("%d done", id)) {
				return fmt.Errorf("%+v; the watch said %q", got, watched(watch))
			}
			if got.Outcome != client.Succeeded || got.Attempt != 1 || got.Slave != "slave-1" {
				t.Errorf("%+v, want it to succeed in its first attempt on slave-1", got)
			}
			return nil
		})
	}
}

// watched lists what a watch has shown, as "ID CHANGE".
func watched(watch *process) (all []string) {
	for line := range strings.Lines(watch.words()) {
		var e struct {
			Change string       `json:"change"`
			Task   *client.Task `json:"task"`
		}
		if json.Unmarshal([]byte(line), &e) == nil && e.Task != nil {
			all = append(all, fmt.Sprintf("%d %s", e.Task.ID, e.Change))
		}
	}
	return all
}
