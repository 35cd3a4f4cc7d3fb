package walls

import (
	"slices"
	"strings"
	"testing"
)

// madeUp returns a small module that breaks no rule. Its packages are those
// that the rules speak of, and what stands for the rest of the world.
func madeUp(t *testing.T) module {
	t.Helper()
	m := module{"example.com/between": {}}
	add := func(patterns ...string) {
		for _, pattern := range patterns {
			path := strings.TrimSuffix(pattern, "/...")
			if pattern != anything && m[path] == nil {
				m[path] = &pkg{}
			}
		}
	}
	for _, b := range append(bans, noGoroutines) {
		add(b.of...)
		add(b.never...)
	}
	for _, a := range allowances {
		add(a.of...)
	}
	for path, p := range m {
		if isOurs(path) {
			p.documents = []string{strings.TrimPrefix(path, ours+"/") + "/doc.go"}
		}
	}
	if found := m.check(); len(found) > 0 {
		t.Fatalf("the made-up module breaks rules before anything is planted: %v", found)
	}
	return m
}

// plant makes one package import another.
func (m module) plant(from, to string) {
	for _, path := range []string{from, to} {
		if m[path] == nil {
			m[path] = &pkg{}
		}
	}
	m[from].imports = append(m[from].imports, to)
}

// caught tells whether the checker names the rule, the offender and the way.
func caught(found []offence, rule, offender, way string) bool {
	return slices.ContainsFunc(found, func(o offence) bool {
		return o.rule == rule && o.offender == offender && strings.Contains(o.how, way) && o.reason != ""
	})
}

// TestPlantedImportIsCaught breaks every ban in every way that it looks.
func TestPlantedImportIsCaught(t *testing.T) {
	for _, b := range bans {
		for _, offender := range madeUp(t).our(b.of...) {
			for _, never := range b.never {
				target := strings.TrimSuffix(never, "/...")
				targets := []string{target}
				if target != never {
					targets = append(targets, target+"/below")
				}
				for _, target := range targets {
					if target == offender {
						continue
					}
					m := madeUp(t)
					m.plant(offender, target)
					if !caught(m.check(), b.name, offender, offender+" → "+target) {
						t.Errorf("%s imports %s and the rule %q does not notice", offender, target, b.name)
					}

					m = madeUp(t)
					m.plant("example.com/between", target)
					m.plant(offender, "example.com/between")
					way := offender + " → example.com/between → " + target
					if got, want := caught(m.check(), b.name, offender, way), b.reach == anyhow; got != want {
						t.Errorf("%s imports %s through another's package: rule %q notices: %v, want %v", offender, target, b.name, got, want)
					}

					m = madeUp(t)
					m.plant("muster/between", target)
					m.plant(offender, "muster/between")
					way = offender + " → muster/between → " + target
					if got, want := caught(m.check(), b.name, offender, way), b.reach != directly; got != want {
						t.Errorf("%s imports %s through a package of ours: rule %q notices: %v, want %v", offender, target, b.name, got, want)
					}
				}
			}
		}
	}
}

// TestPlantedNeighbourIsCaught gives each package of the table an import of
// ours, and one of another's, that its line does not have.
func TestPlantedNeighbourIsCaught(t *testing.T) {
	for _, path := range madeUp(t).our(anything) {
		a, ok := allowanceOf(path)
		if !ok {
			t.Errorf("no line covers %s", path)
			continue
		}
		m := madeUp(t)
		m.plant(path, "muster/stranger")
		want := !slices.Contains(a.ours, anything)
		if got := caught(m.check(), "who may import whom", path, "muster/stranger"); got != want {
			t.Errorf("%s imports muster/stranger: noticed: %v, want %v", path, got, want)
		}
		m = madeUp(t)
		m.plant(path, "example.com/stranger")
		if got := caught(m.check(), "who may import whom", path, "example.com/stranger"); got != a.spare {
			t.Errorf("%s imports example.com/stranger: noticed: %v, want %v", path, got, a.spare)
		}
	}
}

// TestPlantedPackageIsCaught adds a package that no line covers.
func TestPlantedPackageIsCaught(t *testing.T) {
	m := madeUp(t)
	m["muster/fresh"] = &pkg{documents: []string{"fresh/doc.go"}}
	if !caught(m.check(), "who may import whom", "muster/fresh", "no line") {
		t.Error("a package without a line in the table is not noticed")
	}
}

// TestPlantedGoroutineIsCaught puts a go statement where none may be.
func TestPlantedGoroutineIsCaught(t *testing.T) {
	const src = "package x\n\nfunc f() {\n\tif true {\n\t\tgo func() {}()\n\t}\n}\n"
	for _, offender := range noGoroutines.of {
		m := madeUp(t)
		if err := m[offender].addSource("x/x.go", []byte(src)); err != nil {
			t.Fatal(err)
		}
		if !caught(m.check(), noGoroutines.name, offender, "x/x.go:5:3") {
			t.Errorf("a go statement in %s is not noticed", offender)
		}

		m = madeUp(t)
		m.plant(offender, "muster/between")
		if err := m["muster/between"].addSource("between/x.go", []byte(src)); err != nil {
			t.Fatal(err)
		}
		if !caught(m.check(), noGoroutines.name, offender, "between/x.go:5:3") {
			t.Errorf("a go statement in what %s imports is not noticed", offender)
		}
	}
}

// TestPlantedSilenceIsCaught takes package comments away, and adds a second.
func TestPlantedSilenceIsCaught(t *testing.T) {
	m := madeUp(t)
	m["muster/task"].documents = nil
	m["muster/fsm"].documents = []string{"fsm/state.go"}
	m["muster/api"].documents = []string{"api/backend.go", "api/doc.go"}
	found := m.check()
	for _, path := range []string{"muster/task", "muster/fsm", "muster/api"} {
		if !caught(found, "doc.go", path, "want one") {
			t.Errorf("the package comment of %s is wrong and nobody notices", path)
		}
	}
}

// TestSourceIsRead reads what the rules need from a file, whatever its build
// constraint.
func TestSourceIsRead(t *testing.T) {
	const src = "//go:build windows\n\n// Package x is documented.\npackage x\n\nimport (\n\t\"os\"\n\tr \"github.com/hashicorp/raft\"\n)\n"
	var p pkg
	if err := p.addSource("x/doc.go", []byte(src)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.imports, []string{"os", "github.com/hashicorp/raft"}) {
		t.Errorf("imports: %q", p.imports)
	}
	if !slices.Equal(p.documents, []string{"x/doc.go"}) || len(p.spawns) > 0 {
		t.Errorf("documents %q, go statements %q", p.documents, p.spawns)
	}
	if err := p.addSource("x/broken.go", []byte("package")); err == nil {
		t.Error("a file that does not parse is no error")
	}
}
