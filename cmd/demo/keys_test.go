package demo

import (
	"errors"
	"io"
	"slices"
	"testing"
)

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		key  byte
		want action
	}{
		{'k', killLeader},
		{'K', killLeader},
		{'s', killSlave},
		{'r', restartDead},
		{'t', submitTask},
		{'l', toggleLoad},
		{'q', quit},
		{ctrlC, quit},
		{ctrlD, quit},
		{'x', noAction},
		{'\r', noAction},
		{0, noAction},
	} {
		if got := actionOf(c.key); got != c.want {
			t.Errorf("key %q does %d, want %d", c.key, got, c.want)
		}
	}
	if got := actionOf('f') == freezeOrThaw; got != canFreeze {
		t.Errorf("f freezes: %v, the platform can: %v", got, canFreeze)
	}
}

func TestEachLetterHasOneMeaning(t *testing.T) {
	seen := map[byte]bool{}
	for _, k := range legend() {
		if seen[k.letter] {
			t.Errorf("%q is in the legend twice", k.letter)
		}
		seen[k.letter] = true
	}
}

// reads returns what a terminal would, read by read.
type reads struct {
	chunks []string
	err    error
}

func (r *reads) Read(p []byte) (int, error) {
	if len(r.chunks) == 0 {
		return 0, r.err
	}
	n := copy(p, r.chunks[0])
	r.chunks = r.chunks[1:]
	return n, nil
}

func TestReadKeys(t *testing.T) {
	for _, err := range []error{io.EOF, errors.New("the terminal is gone")} {
		keys := make(chan byte, 16)
		// Two keys in one read, an arrow, a key; then the end, which quits.
		readKeys(t.Context(), &reads{[]string{"kt", "\x1b[A", "s"}, err}, keys)
		close(keys)
		var got []byte
		for k := range keys {
			got = append(got, k)
		}
		if !slices.Equal(got, []byte{'k', 't', 's', ctrlD}) {
			t.Errorf("keys %q", got)
		}
	}
}
