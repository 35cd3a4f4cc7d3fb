package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// example is a command of a page of docs/, and what it must print.
type example struct{ command, want string }

var consoles = regexp.MustCompile("(?s)```console\n(.*?)```")

// examples are the commands of a page, in its order.
func examples(t *testing.T, page string) []example {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	for _, block := range consoles.FindAllStringSubmatch(string(text), -1) {
		for part := range strings.SplitSeq("\n"+block[1], "\n$ ") {
			command, want, _ := strings.Cut(part, "\n")
			if command != "" {
				all = append(all, example{command, want})
			}
		}
	}
	return all
}

// shows reports whether an output is what a page shows: "…" is any text, and
// white space is as wide as it likes.
func shows(want, got string) bool {
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	pattern := strings.ReplaceAll(regexp.QuoteMeta(words(want)), "…", ".*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(words(got))
}

var word = regexp.MustCompile(`'[^']*'|\S+`)

// commandWords are those of a command, with '…' as a shell has it.
func commandWords(command string) []string {
	list := word.FindAllString(command, -1)
	for i := range list {
		list[i] = strings.Trim(list[i], "'")
	}
	return list
}

// TestTheExamplesOfListsMd types every command of docs/lists.md.
func TestTheExamplesOfListsMd(t *testing.T) { runExamples(t, "../../docs/lists.md", 14) }

// TestTheExamplesOfWatchingMd types every command of docs/watching.md.
func TestTheExamplesOfWatchingMd(t *testing.T) { runExamples(t, "../../docs/watching.md", 6) }

// TestTheExamplesOfTasksMd types every command of docs/tasks.md.
func TestTheExamplesOfTasksMd(t *testing.T) { runExamples(t, "../../docs/tasks.md", 18) }

// TestTheExamplesOfSlavesMd types every command of docs/slaves.md.
func TestTheExamplesOfSlavesMd(t *testing.T) { runExamples(t, "../../docs/slaves.md", 3) }

var jsonLines = regexp.MustCompile("(?s)```jsonl\n(.*?)```")

// runExamples types all commands of a page, at least so many, on a master with a
// slave. What the page shows as JSON lines is in tasks.jsonl.
func runExamples(t *testing.T, page string, least int) {
	t.Helper()
	all := examples(t, page)
	if len(all) < least {
		t.Fatalf("only %d examples", len(all))
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	lines := jsonLines.FindSubmatch(text)
	t.Chdir(t.TempDir())
	if lines != nil {
		if err := os.WriteFile("tasks.jsonl", lines[1], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raft, api, url := freeAddress(t), freeAddress(t), freeAddress(t)
	master := start(t, "master", "--id", "m1", "--data", t.TempDir(), "--raft-listen", raft, "--api-listen", api, "--bootstrap")
	slave := start(t, "slave", "--name", "slave-1", "--listen", url, "--masters", "http://"+api, "--label", "zone=a")
	env := []string{"MUSTER_ADDRESS=http://" + api, "MUSTER_REQUEST_TIMEOUT=" + timelimit.Usual(t).String()}
	for deadline := time.Now().Add(timelimit.Usual(t)); ; { // until the slave has registered
		if o := muster(t, env, "slaves", "list", "-o", "jsonl"); strings.Contains(o.stdout, `"alive"`) {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("no slave: %+v\n%s", o, slave.logs)
		}
	}
	for _, x := range all {
		var got string
		switch args := commandWords(x.command); args[0] {
		case "muster":
			o := muster(t, env, args[1:]...)
			if got = o.stdout; o.code != exitOK || o.stderr != "" {
				t.Errorf("%s: exit %d, %s", x.command, o.code, o.stderr)
			}
		case "curl":
			got = curl(t, api, args[1:])
		default:
			t.Errorf("nobody runs %q", x.command)
		}
		if !shows(x.want, got) {
			t.Errorf("%s\nprints\n%s\nand not\n%s", x.command, got, x.want)
		}
	}
	if a, b := slave.end(t), master.end(t); a != exitOK || b != exitOK {
		t.Errorf("the slave ended with %d, the master with %d: %s", a, b, master.logs)
	}
}

// curl is what curl does, with the options that the pages use.
func curl(t *testing.T, api string, args []string) string {
	t.Helper()
	method, url, body := http.MethodGet, "", ""
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-s":
		case "-X":
			i++
			method = args[i]
		case "-d":
			i++
			method, body = http.MethodPost, args[i]
		default:
			url = strings.Replace(args[i], "127.0.0.1:8101", api, 1)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestShows(t *testing.T) {
	for want, is := range map[string]bool{"a b": true, "…b": true, "a  …": true, "b": false, "a": false, "a.b": false, "": false} {
		if shows(want, "a   b\n") != is {
			t.Errorf("%q", want)
		}
	}
}
