package slavetest

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/systemtest/timelimit"
)

// serveMini serves the lives of a mini slave and returns its URL.
func serveMini(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// freeAddress returns an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := pickAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func pickAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func TestARightSlavePasses(t *testing.T) {
	t.Parallel()
	lines, err := testMini(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != len(rules()) {
		t.Errorf("%d lines for %d rules", len(lines), len(rules()))
	}
	for _, l := range lines {
		if l.Outcome != Passed {
			t.Errorf("%s %s: %s", l.Rule, l.Outcome, l.Seen)
		}
	}
}

// Each wrong slave is caught by the rule that it breaks. It may break others, too.
func TestWrongSlavesAreCaughtByName(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fault fault
		rule  string
		seen  string
	}{
		{"registers fields of its own", "registers", "colour"},
		{"registers as another", "registers", "answers as"},
		{"does not follow the leader", "follows-leader", "did not follow"},
		{"takes tasks without a stamp", "bad-requests", "without a stamp"},
		{"computes wrongly", "runs-and-reports", "undone"},
		{"repeats an accepted result", "runs-and-reports", "came again"},
		{"takes any kind", "unknown-kind", "accepted"},
		{"ignores the term", "stale-term", "want 409 stale_term"},
		{"ignores the sequence", "stale-sequence", "want 409 stale_term"},
		{"does not begin a new term at one", "new-term", "409 stale_term"},
		{"takes another cluster's tasks", "other-cluster", "want 409 wrong_cluster"},
		{"keeps its incarnation in another cluster", "new-cluster", "which was another cluster's"},
		{"keeps another cluster's attempts", "new-cluster", "other cluster"},
		{"does not stop another cluster's task", "new-cluster", "not stopped"},
		{"takes another incarnation's tasks", "wrong-incarnation", "want 409 wrong_incarnation"},
		{"takes beyond its slots", "slots", "want \"refused:no_slot\""},
		{"says free slots that it does not have", "slots", "with all 2 slots taken"},
		{"says available when busy", "slots", "I am available."},
		{"runs duplicates twice", "duplicate-running", "want \"running\""},
		{"runs duplicates twice", "duplicate-finished", "want \"finished\""},
		{"finished without the result", "duplicate-finished", "finished with \"\""},
		{"takes an older attempt", "older-attempt", "want \"refused:superseded\""},
		{"forgets what runs", "held", "as \"\""},
		{"forgets what is finished", "held", "not acknowledged as \"\""},
		{"cancels nothing", "cancel", "1 of 2 slots are free"},
		{"reports what was cancelled", "cancel", "reported as succeeded"},
		{"drops a result without an answer", "repeats-lost-answer", "came 1 times"},
		{"drops a result without a leader", "repeats-without-leader", "came 1 times"},
		{"repeats a refused result for ever", "lets-go-stale", "came again"},
		{"repeats a refused result for ever", "lets-go-unknown", "came again"},
		{"a counter that goes back", "counter", "went back"},
		{"a counter that stands still", "counter", "once had"},
		{"takes work while it drains", "drain", "free"},
		{"does not say goodbye", "leaves", "no POST /v1/slaves/mini/leave"},
		{"the same incarnation again", "restart", "of the first"},
	}
	// They mostly wait, so more of them than there are processors run at once.
	var all sync.WaitGroup
	room := make(chan struct{}, 16)
	found := make([][]Line, len(cases))
	errs := make([]error, len(cases))
	for i, c := range cases {
		all.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			found[i], errs[i] = testMini(t.Context(), c.fault)
		})
	}
	all.Wait()
	for i, c := range cases {
		t.Run(string(c.fault)+", "+c.rule, func(t *testing.T) {
			t.Parallel()
			if errs[i] != nil {
				t.Fatal(errs[i])
			}
			k := slices.IndexFunc(found[i], func(l Line) bool { return l.Rule == c.rule })
			if k < 0 {
				t.Fatalf("there is no rule %s", c.rule)
			}
			if l := found[i][k]; l.Outcome != Failed || !strings.Contains(l.Seen, c.seen) {
				t.Errorf("%s %s: %q, want it failed with %q", l.Rule, l.Outcome, l.Seen, c.seen)
			}
		})
	}
}

// A slave may leave clusters out: nothing else fails by that.
func TestASlaveThatKnowsNoClustersPasses(t *testing.T) {
	t.Parallel()
	lines, err := testMini(t.Context(), "knows no clusters")
	if err != nil {
		t.Fatal(err)
	}
	var skipped []string
	for _, l := range lines {
		if l.Outcome == Skipped {
			skipped = append(skipped, l.Rule)
		} else if l.Outcome != Passed {
			t.Errorf("%s %s: %s", l.Rule, l.Outcome, l.Seen)
		}
	}
	if !slices.Equal(skipped, []string{"other-cluster", "new-cluster"}) {
		t.Errorf("skipped %q", skipped)
	}
}

// Nobody there: one rule fails within its time, the others are skipped.
func TestNobodyRegisters(t *testing.T) {
	t.Parallel()
	lines, err := Run(t.Context(), Config{URL: "http://127.0.0.1:1", Listen: "127.0.0.1:0", Kind: "wait", Register: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range lines {
		want := Skipped
		if i == 0 {
			want = Failed
		}
		if l.Outcome != want {
			t.Errorf("%s %s: %s", l.Rule, l.Outcome, l.Seen)
		}
	}
	if !strings.Contains(lines[0].Seen, "give the slave that address") {
		t.Errorf("no hint in %q", lines[0].Seen)
	}
}

// A slave that was started by hand: what needs its end is skipped aloud.
func TestWithoutTheCommandTheEndIsSkipped(t *testing.T) {
	t.Parallel()
	host := &miniHost{}
	self, listen := serveMini(t, host), freeAddress(t)
	m := host.start("", self, "http://"+listen, "by-hand", 3*time.Second)
	t.Cleanup(func() {
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
	})
	lines, err := Run(t.Context(), Config{
		URL: self, Listen: listen, Kind: "wait", Short: Order{Expression: "short"}, Long: Order{Expression: "long"},
		LongFor: 3 * time.Second, Patience: 10 * time.Second, Quiet: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	skipped := 0
	for _, l := range lines {
		if l.Outcome == Skipped && strings.Contains(l.Seen, "command after --") {
			skipped++
		} else if l.Outcome != Passed {
			t.Errorf("%s %s: %s", l.Rule, l.Outcome, l.Seen)
		}
	}
	if skipped != 3 {
		t.Errorf("%d rules skipped, want drain, leaves and restart", skipped)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := Config{URL: "http://127.0.0.1:1", Listen: "127.0.0.1:0", Kind: "wait"}
	for name, spoil := range map[string]func(c *Config){
		"no URL":         func(c *Config) { c.URL = "" },
		"no kind":        func(c *Config) { c.Kind = "" },
		"negative time":  func(c *Config) { c.Quiet = -1 },
		"bad parameters": func(c *Config) { c.Long.Parameters = "[1]" },
	} {
		c := good
		spoil(&c)
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c := good
	c.Listen = "127.0.0.1:no-port"
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "listen as the slave's master") {
		t.Errorf("no port: %v", err)
	}
}

// A slave as a process: one that can't be started, and one that ends.
func TestCommand(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	if _, err := Command([]string{"no-such-slave"}, &log)(t.Context()); err == nil || !strings.Contains(err.Error(), "no-such-slave") {
		t.Errorf("no such slave: %v", err)
	}
	life, err := Command([]string{"go", "version"}, &log)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-life.Ended():
	case <-time.After(timelimit.Usual(t)):
		t.Error("it does not end")
	}
	if err := errors.Join(life.Term(), life.Kill()); err != nil && !errors.Is(err, ErrNoSignal) {
		t.Errorf("ending what has ended: %v", err)
	}
}
