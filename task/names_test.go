package task

import "testing"

// TestNamesAndTheirInverses pins the words that the wire and the tools rely on.
func TestNamesAndTheirInverses(t *testing.T) {
	check := func(what string, want []string, name func(i int) string, parse func(s string) (int, bool)) {
		t.Helper()
		for i, w := range want {
			if got := name(i + 1); got != w {
				t.Errorf("%s %d is %q; want %q", what, i+1, got, w)
			}
			if got, ok := parse(w); !ok || got != i+1 {
				t.Errorf("%s %q parses to %d, %v; want %d", what, w, got, ok, i+1)
			}
		}
		if got := name(0); got != "" {
			t.Errorf("no %s is %q", what, got)
		}
		if got := name(len(want) + 1); got != "unknown" {
			t.Errorf("the %s after the last is %q", what, got)
		}
		for _, w := range []string{"", "unknown", want[0] + " "} {
			if got, ok := parse(w); ok {
				t.Errorf("%s %q parses to %d", what, w, got)
			}
		}
	}
	check("status", []string{"pending", "in_progress", "done"},
		func(i int) string { return Status(i).String() },
		func(s string) (int, bool) { x, ok := ParseStatus(s); return int(x), ok })
	check("outcome", []string{"succeeded", "failed", "cancelled", "expired", "lost"},
		func(i int) string { return Outcome(i).String() },
		func(s string) (int, bool) { x, ok := ParseOutcome(s); return int(x), ok })
	check("value type", []string{"number", "string", "boolean"},
		func(i int) string { return ValueType(i).String() },
		func(s string) (int, bool) { x, ok := ParseValueType(s); return int(x), ok })
	check("slave state", []string{"alive", "draining", "lost", "left"},
		func(i int) string { return SlaveState(i).String() },
		func(s string) (int, bool) { x, ok := ParseSlaveState(s); return int(x), ok })
	check("role", []string{"follower", "leader", "joining"},
		func(i int) string { return Role(i).String() },
		func(s string) (int, bool) { x, ok := ParseRole(s); return int(x), ok })
	check("receipt", []string{"accepted", "running", "finished", "refused"},
		func(i int) string { return ReceiptStatus(i).String() },
		func(s string) (int, bool) { x, ok := ParseReceiptStatus(s); return int(x), ok })
}
