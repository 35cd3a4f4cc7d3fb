package walls

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is what the rules are asked of: every package that muster's production
// code is built of, by import path, ours and others'.
type module map[string]*pkg

// pkg is one package.
type pkg struct {
	imports   []string // direct, of production files, for every platform if it is ours
	documents []string // of ours: the files that have a package comment
	spawns    []string // of ours: where its go statements are
}

// isOurs tells whether an import path is in this module.
func isOurs(path string) bool { return path == ours || strings.HasPrefix(path, ours+"/") }

// listed is what go list tells about a package.
type listed struct {
	ImportPath     string
	Dir            string
	Imports        []string
	GoFiles        []string
	CgoFiles       []string
	IgnoredGoFiles []string // for other platforms
}

// readModule asks go list for the module and everything that it imports, and
// reads the source of our packages: also the files for other platforms, whose
// imports go list does not follow.
func readModule(t *testing.T) module {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatalf("find the module's root: %v", err)
	}
	// go test caches a result by the files that the test itself has opened. The
	// dependencies' versions are in this one; our packages are opened below.
	if _, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil {
		t.Fatalf("read the module's root: %v", err)
	}
	m := module{}
	dirs := map[string]bool{}
	for _, l := range goList(t, root) {
		p := &pkg{imports: l.Imports}
		m[l.ImportPath] = p
		if !isOurs(l.ImportPath) {
			continue
		}
		dirs[l.Dir] = true
		for _, name := range slices.Concat(l.GoFiles, l.CgoFiles, l.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			readFile(t, p, root, filepath.Join(l.Dir, name))
		}
		slices.Sort(p.imports)
		p.imports = slices.Compact(p.imports)
	}
	for _, dir := range sourceDirs(t, root) {
		if !dirs[dir] {
			t.Errorf("%s has Go files but go list does not name it: its walls are not checked", dir)
		}
	}
	return m
}

// goList lists all packages of the module and all that they import.
func goList(t *testing.T, root string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-json=ImportPath,Dir,Imports,GoFiles,CgoFiles,IgnoredGoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		switch err := dec.Decode(&l); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatalf("read the output of go list: %v", err)
		}
		all = append(all, l)
	}
}

// readFile adds a file's imports, package comment and go statements to p.
func readFile(t *testing.T, p *pkg, root, path string) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read a source file: %v", err)
	}
	short, err := filepath.Rel(root, path)
	if err != nil {
		t.Fatalf("name a source file: %v", err)
	}
	if err := p.addSource(filepath.ToSlash(short), src); err != nil {
		t.Fatal(err)
	}
}

// addSource adds a file's imports, package comment and go statements to p.
func (p *pkg) addSource(name string, src []byte) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("import %s in %s: %w", spec.Path.Value, name, err)
		}
		p.imports = append(p.imports, path)
	}
	// Generators write a package comment of their own.
	if strings.TrimSpace(file.Doc.Text()) != "" && !ast.IsGenerated(file) {
		p.documents = append(p.documents, name)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if g, ok := n.(*ast.GoStmt); ok {
			p.spawns = append(p.spawns, set.Position(g.Go).String())
		}
		return true
	})
	return nil
}

// sourceDirs walks the module for directories that have production Go files, as
// the go command sees them: other modules and testdata are not in it.
func sourceDirs(t *testing.T, root string) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			if strings.HasSuffix(d.Name(), ".go") && !strings.HasSuffix(d.Name(), "_test.go") {
				dirs = append(dirs, filepath.Dir(path))
			}
			return nil
		}
		if path == root {
			return nil
		}
		if strings.HasPrefix(d.Name(), ".") || strings.HasPrefix(d.Name(), "_") || d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatalf("walk the module: %v", err)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}
