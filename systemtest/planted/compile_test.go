package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

// TestPlantedMistakesCompile: what does not compile can't be caught by a test. Each
// package that a mistake changes is type-checked against the others as they are.
func TestPlantedMistakesCompile(t *testing.T) {
	all, err := load("mistakes")
	if err != nil {
		t.Fatal(err)
	}
	c := newCompiler(t)
	for _, m := range all {
		changed, err := m.plant(root)
		if err != nil {
			continue // TestPlantedMistakesFit says so
		}
		if err := c.check(changed); err != nil {
			t.Errorf("%s: %s: %v", m.at, m.what, err)
		}
	}
}

// listed is what go list tells of a package.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles, IgnoredGoFiles []string
}

// compiler type-checks packages with changed files.
type compiler struct {
	fset    *token.FileSet
	byDir   map[string]*listed
	imports types.Importer
	parsed  map[string]*ast.File // unchanged files
}

func newCompiler(t *testing.T) *compiler {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,IgnoredGoFiles", "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &compiler{fset: token.NewFileSet(), byDir: map[string]*listed{}, parsed: map[string]*ast.File{}}
	exports := map[string]string{}
	for lines := json.NewDecoder(out); ; {
		var p listed
		if err := lines.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		c.byDir[p.Dir], exports[p.ImportPath] = &p, p.Export
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	c.imports = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return c
}

// check type-checks the packages of the changed files.
func (c *compiler) check(changed map[string]string) error {
	var dirs []string
	for path := range changed {
		full, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if dir := filepath.Dir(full); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		if err := c.checkPackage(dir, changed); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) checkPackage(dir string, changed map[string]string) error {
	p := c.byDir[dir]
	if p == nil {
		return errors.New("there is no package in " + dir)
	}
	texts := map[string]string{}
	for path, text := range changed {
		full, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		texts[full] = text
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := c.parse(filepath.Join(dir, name), texts)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	cfg := types.Config{Importer: c.imports, Sizes: types.SizesFor("gc", runtime.GOARCH)}
	_, err := cfg.Check(p.ImportPath, c.fset, files, nil)
	return err
}

func (c *compiler) parse(path string, texts map[string]string) (*ast.File, error) {
	if text, ok := texts[path]; ok {
		return parser.ParseFile(c.fset, path, text, parser.SkipObjectResolution)
	}
	if f, ok := c.parsed[path]; ok {
		return f, nil
	}
	f, err := parser.ParseFile(c.fset, path, nil, parser.SkipObjectResolution)
	c.parsed[path] = f
	return f, err
}
