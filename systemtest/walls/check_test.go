package walls

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// offence is one broken rule.
type offence struct {
	offender string // the package that the rule is about
	rule     string
	how      string // the way from the offender to what it must not import
	reason   string
}

func (o offence) String() string {
	return fmt.Sprintf("%s breaks the wall %q\n\thow:    %s\n\treason: %s", o.offender, o.rule, o.how, o.reason)
}

// matches tells whether an import path falls under a pattern.
func matches(pattern, path string) bool {
	if pattern == anything {
		return true
	}
	base, tree := strings.CutSuffix(pattern, "/...")
	return path == base || tree && strings.HasPrefix(path, base+"/")
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

// our returns the paths of our packages that fall under one of the patterns.
func (m module) our(patterns ...string) []string {
	var paths []string
	for _, path := range slices.Sorted(maps.Keys(m)) {
		if isOurs(path) && matchesAny(patterns, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// check returns what breaks a rule of the list.
func (m module) check() []offence {
	var found []offence
	for _, b := range bans {
		found = append(found, m.checkBan(b)...)
	}
	for _, path := range m.our(anything) {
		found = append(found, m.checkAllowance(path)...)
	}
	found = append(found, m.checkGoroutines()...)
	found = append(found, m.checkDocuments()...)
	return found
}

// checkBan finds the shortest way from each package of the ban to each import
// that it may never have.
func (m module) checkBan(b ban) []offence {
	var found []offence
	for _, offender := range m.our(b.of...) {
		for _, way := range m.ways(offender, b.reach) {
			// A package is not its own offence, though a pattern may cover it; and
			// what lies behind an offence is not another one.
			banned := func(path string) bool { return path != offender && matchesAny(b.never, path) }
			if slices.IndexFunc(way, banned) == len(way)-1 {
				found = append(found, offence{offender, b.name, strings.Join(way, " → "), b.reason})
			}
		}
	}
	return found
}

// ways returns one shortest way of imports from a package to each that it
// reaches. It does not go on behind a package that the reach does not look
// through.
func (m module) ways(from string, r reach) [][]string {
	ways := [][]string{{from}}
	seen := map[string]bool{from: true}
	for i := 0; i < len(ways); i++ {
		way := ways[i]
		last := way[len(way)-1]
		if r == directly && last != from || r == throughOurs && !isOurs(last) || m[last] == nil {
			continue
		}
		for _, next := range m[last].imports {
			if !seen[next] {
				seen[next] = true
				ways = append(ways, append(slices.Clone(way), next))
			}
		}
	}
	return ways
}

// checkAllowance holds a package's direct imports against the table.
func (m module) checkAllowance(path string) []offence {
	const rule = "who may import whom"
	a, ok := allowanceOf(path)
	if !ok {
		return []offence{{path, rule, "no line of the table covers it", "every package says what it may import: add it to rules_test.go"}}
	}
	var found []offence
	for _, imported := range m[path].imports {
		allowed := true
		switch {
		case isOurs(imported):
			allowed = matchesAny(a.ours, imported)
		case a.spare && !isStandard(imported):
			allowed = matchesAny(a.theirs, imported)
		}
		if !allowed {
			found = append(found, offence{path, rule, path + " → " + imported, a.because})
		}
	}
	return found
}

// allowanceOf returns the allowance with the longest pattern for a package.
func allowanceOf(path string) (allowance, bool) {
	var best allowance
	longest := -1
	for _, a := range allowances {
		for _, pattern := range a.of {
			if matches(pattern, path) && len(pattern) > longest {
				best, longest = a, len(pattern)
			}
		}
	}
	return best, longest >= 0
}

// isStandard tells whether a path is the standard library's: those alone have
// no dot in their first element.
func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !isOurs(path) && !strings.Contains(first, ".")
}

// checkGoroutines finds go statements in pure packages and in all of ours that
// they import.
func (m module) checkGoroutines() []offence {
	var found []offence
	for _, offender := range m.our(noGoroutines.of...) {
		for _, way := range m.ways(offender, throughOurs) {
			p := m[way[len(way)-1]]
			if p == nil {
				continue
			}
			for _, place := range p.spawns {
				how := strings.Join(way, " → ") + ", go statement at " + place
				found = append(found, offence{offender, noGoroutines.name, how, noGoroutines.reason})
			}
		}
	}
	return found
}

// checkDocuments finds packages of ours without a package comment in doc.go, or
// with a second one elsewhere.
func (m module) checkDocuments() []offence {
	var found []offence
	for _, path := range m.our(anything) {
		name := strings.TrimPrefix(strings.TrimPrefix(path, ours)+"/doc.go", "/")
		if !slices.Equal(m[path].documents, []string{name}) {
			how := fmt.Sprintf("package comments in %q, want one, in %s", m[path].documents, name)
			found = append(found, offence{path, "doc.go", how, "a newcomer reads doc.go first, and should need no other file to know what the package is"})
		}
	}
	return found
}
