//go:build unix

package demo

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

func child(t *testing.T, what string) *process {
	t.Helper()
	p := &process{name: "m1", logPath: logName(t.TempDir(), "m1"), command: []string{os.Args[0], what}}
	t.Cleanup(func() {
		if err := p.kill(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timelimit.Usual(t)); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", timelimit.Usual(t), what)
		}
		<-time.After(time.Millisecond) // a process of the system gives no signal
	}
}

// stateOf is the state letter of a process, like T for stopped.
func stateOf(t *testing.T, pid int) string {
	t.Helper()
	out, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))[:1]
}

func TestProcessLivesDiesAndLivesAgain(t *testing.T) {
	p := child(t, "child-that-lives")
	if runs, _ := p.state(); runs || p.pid() != 0 {
		t.Fatal("it runs before it was started")
	}
	if err := p.kill(); err != nil {
		t.Fatalf("killing what does not run: %v", err)
	}
	for life := range 2 {
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		first := p.pid()
		if err := p.start(); err != nil || p.pid() != first {
			t.Fatalf("starting what runs started another one: %v", err)
		}
		eventually(t, "it has written its log", func() bool { return strings.Count(p.lastWords(5), "here I am") == life+1 })
		if err := p.kill(); err != nil {
			t.Fatal(err)
		}
		if runs, _ := p.state(); runs || stateOf(t, first) != "" {
			t.Fatalf("process %d is not dead: %q", first, stateOf(t, first))
		}
	}
}

func TestProcessFreezesAndGoesOn(t *testing.T) {
	p := child(t, "child-that-lives")
	if err := p.freeze(true); err == nil {
		t.Error("froze what does not run")
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if err := p.freeze(true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is stopped", func() bool { return stateOf(t, p.pid()) == "T" })
	if runs, frozen := p.state(); !runs || !frozen {
		t.Errorf("it runs %v, is frozen %v", runs, frozen)
	}
	if err := p.freeze(false); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes on", func() bool { return stateOf(t, p.pid()) != "T" })
	// What is frozen can be killed, and is not frozen in its next life.
	if err := p.freeze(true); err != nil {
		t.Fatal(err)
	}
	if err := p.kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if runs, frozen := p.state(); !runs || frozen {
		t.Errorf("in its second life it runs %v, is frozen %v", runs, frozen)
	}
}

func TestProcessThatEndsByItselfIsSeen(t *testing.T) {
	p := child(t, "child-that-finds-its-address-taken")
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is dead", func() bool { runs, _ := p.state(); return !runs })
	if !p.sawConflict() {
		t.Errorf("no conflict seen in %q", p.lastWords(3))
	}
	if err := died([]*node{{process: p}}); err == nil || !strings.Contains(err.Error(), "m1 died: listen tcp") {
		t.Errorf("died says %v", err)
	}
}

func TestChildrenDoNotTakeOurSettings(t *testing.T) {
	t.Setenv("MUSTER_ID", "m9")
	t.Setenv("HOME", "/home/of/somebody")
	p := child(t, "child-that-shows-its-settings")
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is done", func() bool { runs, _ := p.state(); return !runs })
	if got, want := p.lastWords(1), `MUSTER_ID="" HOME="/home/of/somebody"`; got != want {
		t.Errorf("the child has %s, want %s", got, want)
	}
}
