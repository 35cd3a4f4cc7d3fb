package walls

import (
	"maps"
	"slices"
	"testing"
)

// TestWalls asks every rule of the module as it is.
func TestWalls(t *testing.T) {
	m := readModule(t)
	for _, o := range m.check() {
		t.Error(o)
	}

	// A rule about nothing would hold for ever: after a package or a library is
	// renamed, or if a path is misspelt.
	known := map[string]bool{}
	for path, p := range m {
		known[path] = true
		for _, imported := range p.imports {
			known[imported] = true
		}
	}
	alive := func(rule string, patterns ...string) {
		t.Helper()
		for _, pattern := range patterns {
			covers := func(path string) bool { return matches(pattern, path) }
			if !slices.ContainsFunc(slices.Collect(maps.Keys(known)), covers) {
				t.Errorf("rule %q speaks of %s, and there is no such package: nothing holds this wall", rule, pattern)
			}
		}
	}
	for _, b := range append(bans, noGoroutines) {
		alive(b.name, b.of...)
		alive(b.name, b.never...)
	}
	for _, a := range allowances {
		alive("who may import whom", a.of...)
		alive("who may import whom", a.ours...)
		alive("who may import whom", a.theirs...)
	}
}
