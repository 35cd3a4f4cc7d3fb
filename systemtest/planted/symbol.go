package main

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// module is the path that symbols begin with.
const module = "muster/"

// section is a part of a file's text: whole lines.
type section struct {
	path       string
	text       string // of the whole file
	begin, end int    // of text
}

// findSymbol returns the declaration of a symbol, with its comment, in whichever file
// of its package it is. The symbol is written as in a stack trace, without type
// parameters: muster/cluster.receive, muster/cluster.(*Node).Propose,
// muster/fsm.View.Task; types, constants and variables are symbols, too. Of files that
// have been changed already, changed has the texts.
func findSymbol(root, symbol string, changed map[string]string) (section, error) {
	dir, name, err := splitSymbol(symbol)
	if err != nil {
		return section{}, err
	}
	dir = filepath.Join(root, dir)
	files, err := os.ReadDir(dir)
	if err != nil {
		return section{}, err
	}
	var found []section
	for _, f := range files {
		if ours, err := build.Default.MatchFile(dir, f.Name()); err != nil || !ours || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text, err := textOf(filepath.Join(dir, f.Name()), changed)
		if err != nil {
			return section{}, err
		}
		in, err := declared(name, filepath.Join(dir, f.Name()), text)
		if err != nil {
			return section{}, err
		}
		found = append(found, in...)
	}
	if len(found) != 1 {
		return section{}, fmt.Errorf("%s is declared %d times; it must be there once (is it in another package now, or named differently?)", symbol, len(found))
	}
	return found[0], nil
}

// splitSymbol returns the directory of a symbol's package, and the rest.
func splitSymbol(symbol string) (dir, name string, err error) {
	base, name, ok := strings.Cut(path.Base(symbol), ".")
	if !ok || name == "" || !strings.HasPrefix(symbol, module) {
		return "", "", fmt.Errorf("%q is no symbol such as %scluster.(*Node).Propose", symbol, module)
	}
	return filepath.FromSlash(path.Join(strings.TrimPrefix(path.Dir(symbol)+"/", module), base)), name, nil
}

func textOf(path string, changed map[string]string) (string, error) {
	if text, ok := changed[path]; ok {
		return text, nil
	}
	text, err := os.ReadFile(path)
	return string(text), err
}

// declared returns the declarations of a name in a file.
func declared(name, path, text string) (found []section, err error) {
	last := name[strings.LastIndex(name, ".")+1:]
	if !strings.Contains(text, last) {
		return nil, nil // most files
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range declarations(f) {
		if d.name == name {
			begin, end := fset.Position(d.begin).Offset, fset.Position(d.end).Offset
			begin = strings.LastIndex(text[:begin], "\n") + 1
			if more := strings.Index(text[end:], "\n"); more >= 0 {
				end += more
			} else {
				end = len(text)
			}
			found = append(found, section{path, text, begin, end})
		}
	}
	return found, nil
}

// declaration is one name that a file declares.
type declaration struct {
	name       string
	begin, end token.Pos
}

// declarations lists what a file declares.
func declarations(f *ast.File) (all []declaration) {
	add := func(name string, n ast.Node, comment *ast.CommentGroup) {
		d := declaration{name, n.Pos(), n.End()}
		if comment != nil {
			d.begin = comment.Pos()
		}
		all = append(all, d)
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			add(receiver(d)+d.Name.Name, d, d.Doc)
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					add(s.Name.Name, s, s.Doc)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						add(name.Name, s, s.Doc)
					}
				}
			}
		}
	}
	return all
}

// receiver returns what stands before a method's name: "(*Node)." or "View.".
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of, form := d.Recv.List[0].Type, "%s."
	if star, ok := of.(*ast.StarExpr); ok {
		of, form = star.X, "(*%s)."
	}
	switch generic := of.(type) {
	case *ast.IndexExpr:
		of = generic.X
	case *ast.IndexListExpr:
		of = generic.X
	}
	name, _ := of.(*ast.Ident)
	return fmt.Sprintf(form, name.Name)
}
