package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"muster/api/client"
	"muster/cluster"
)

func TestExitCodes(t *testing.T) {
	refusal := func(code client.Code) error {
		return fmt.Errorf("submit a task: %w", &client.Error{Code: code, Message: "no"})
	}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("anything"), 1},
		{refusal(client.CodeInternal), 1},
		{refusal(client.CodeInvalidExpression), 1},
		{refusal(client.CodeOutcomeUnknown), 1},
		{refusal(client.CodeQuorumAtRisk), 1},
		{refusal(client.CodeInvalidRequest), 2},
		{usagef("wrong"), 2},
		{fmt.Errorf("join: %w", cluster.ErrMisconfigured), 2},
		{fmt.Errorf("list: %w", client.ErrSlave), 2},
		{fmt.Errorf("list: %w", client.ErrRaftPort), 2},
		{errors.Join(usagef("wrong"), usagef("wrong, too")), 2},
		{refusal(client.CodeTaskNotFound), 3},
		{refusal(client.CodeSlaveNotFound), 3},
		{refusal(client.CodeMasterNotFound), 3},
		{fmt.Errorf("list: %w; %w", client.ErrNoLeader, context.DeadlineExceeded), 4},
		{fmt.Errorf("list: %w", client.ErrUnreachable), 4},
		{refusal(client.CodeNoLeader), 4},
		{exitf(exitTaskFailed, "task 1 failed"), 5},
		{exitf(exitWaitEnded, "task 1 is not done"), 6},
		{refusal(client.CodeFullCapacity), 7},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("exit code %d for %v, want %d", got, c.err, c.want)
		}
	}
}

// TestStatusDoesNotAdviseStatus: without a leader other commands do.
func TestStatusDoesNotAdviseStatus(t *testing.T) {
	f := newFake(t, map[string]answer{
		"GET /v1/masters": {0, `{"masters":[{"id":"m1","raft_address":"127.0.0.1:1","api_url":"$URL"}]}`},
		"GET /v1/status":  {0, `{"id":"m1","role":"follower","ready":false,"counts":{},"capacity":{}}`},
		"GET /v1/tasks/7": {503, `{"error":"there is no leader","code":"no_leader"}`},
	})
	o := f.muster(t, "status")
	if o.code != exitUnreachable || !strings.Contains(o.stderr, "more than half") || strings.Contains(o.stderr, "muster status") {
		t.Errorf("%+v", o)
	}
	o = f.muster(t, "tasks", "get", "7", "--request-timeout", "300ms")
	if o.code != exitUnreachable || !strings.Contains(o.stderr, "see muster status") {
		t.Errorf("%+v", o)
	}
}

func TestAnUnknownFateSaysHowToFindOut(t *testing.T) {
	f := newFake(t, nil)
	f.Config.Handler = breaks{}
	o := f.muster(t, "--request-timeout", "2s", "submit", "1", "--key", "k 1")
	if o.code != exitFailure || !strings.Contains(o.stderr, `--key "k 1" finds out`) {
		t.Errorf("%+v", o)
	}
	o = f.muster(t, "--request-timeout", "2s", "submit", "1")
	if o.code != exitFailure || !strings.Contains(o.stderr, "--key ") {
		t.Errorf("without a key of the user's own: %+v", o)
	}
}

// TestTheExitCodesAreDocumented holds the table of docs/tasks.md against every code that
// the API has.
func TestTheExitCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/tasks.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([0-9]) \|.*\| (.*) \|$`).FindAllStringSubmatch(string(page), -1) {
		for _, code := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[2], -1) {
			documented[code[1]], _ = strconv.Atoi(row[1]) // one digit
		}
	}
	source, err := os.ReadFile("../../task/error.go")
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) < 40 || len(documented) < 20 {
		t.Fatalf("only %d codes and %d documented ones were found", len(codes), len(documented))
	}
	for _, code := range codes {
		want, ok := documented[code[1]]
		if !ok {
			want = exitFailure // "anything else"
		}
		if got := exitCode(&client.Error{Code: client.Code(code[1])}); got != want {
			t.Errorf("%s ends with %d; the table says %d", code[1], got, want)
		}
		delete(documented, code[1])
	}
	for code := range documented {
		t.Errorf("the table has %q, which is no code", code)
	}
}
