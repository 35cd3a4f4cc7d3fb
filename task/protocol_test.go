package task

import "testing"

func TestStampsAreOrderedByTermThenSequence(t *testing.T) {
	order := []Stamp{{}, {Term: 0, Sequence: 1}, {Term: 1, Sequence: 0}, {Term: 1, Sequence: 1}, {Term: 1, Sequence: 9}, {Term: 2, Sequence: 0}, {Term: 2, Sequence: 5}}
	for i, a := range order {
		for j, b := range order {
			if got := a.Above(b); got != (i > j) {
				t.Errorf("%+v above %+v: %v", a, b, got)
			}
		}
	}
}

func TestAnswerIsTheOriginalsSentence(t *testing.T) {
	for free, want := range map[int]string{0: "I am not available.", 1: "I am available.", 3: "I am available."} {
		if got := (Availability{Free: free, Slots: 3}).Answer(); got != want {
			t.Errorf("with %d free slots: %q", free, got)
		}
	}
}

func TestSlaveRunsItsKinds(t *testing.T) {
	s := Slave{Kinds: []Kind{{Name: "expression"}, {Name: "resize"}}}
	if !s.Runs("resize") || s.Runs("res") || s.Runs("") {
		t.Error("a slave runs the kinds that it declared, and no others")
	}
}
