package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// mistake is one that a test must catch.
type mistake struct {
	at    string // file:line of its entry
	what  string // in plain words
	edits []edit
	pkg   string   // ./cluster
	tests []string // names of tests of that package; each must fail
}

// edit is one change of the product's source. A mistake has several where one
// line of defence would make up for another that is missing.
type edit struct {
	file string // from the module's root; or
	in   string // a symbol, see findSymbol
	old  string // in the file, or in the symbol's declaration, exactly once
	new  string
}

// text is all that -run matches.
func (m mistake) text() string {
	words := []string{m.what}
	for _, e := range m.edits {
		words = append(words, e.file+e.in)
	}
	return strings.Join(append(append(words, m.pkg), m.tests...), " ")
}

// load reads all lists in a directory.
func load(dir string) ([]mistake, error) {
	lists, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	slices.Sort(lists)
	var all []mistake
	for _, list := range lists {
		f, err := os.Open(list)
		if err != nil {
			return nil, err
		}
		found, err := parse(filepath.Base(list), f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// parse reads one list:
//
//	# what the mistake is
//	in: muster/cluster.(*Node).Propose
//	old: <<<
//	lines
//	>>>
//	new: <<<
//	lines
//	>>>
//	test: ./cluster TestName TestOther
//
// in, old and new may stand several times. What is in no declaration has, in the place
// of in, its file: cluster/propose.go. An empty line stands between two mistakes.
func parse(name string, r io.Reader) ([]mistake, error) {
	var all []mistake
	var m mistake
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case strings.TrimSpace(line) == "":
			continue
		case strings.HasPrefix(line, "#"):
			if m.what == "" {
				m.at = fmt.Sprintf("%s:%d", name, n)
			}
			m.what = strings.TrimSpace(m.what + " " + strings.TrimSpace(strings.TrimPrefix(line, "#")))
		case key == "file":
			m.edits = append(m.edits, edit{file: value})
		case key == "in":
			m.edits = append(m.edits, edit{in: value})
		case line == "old: <<<" || line == "new: <<<":
			text, read, err := block(lines)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, n, err)
			}
			n += read
			if len(m.edits) == 0 {
				return nil, fmt.Errorf("%s:%d: %s without an in: or file: line before it", name, n, key)
			}
			if e := &m.edits[len(m.edits)-1]; key == "old" {
				e.old = text
			} else {
				e.new = text
			}
		case key == "test":
			words := strings.Fields(value)
			hollow := slices.ContainsFunc(m.edits, func(e edit) bool { return e.old == "" })
			if m.what == "" || len(m.edits) == 0 || hollow || len(words) < 2 {
				return nil, fmt.Errorf("%s:%d: a mistake needs what it is (#), in or file, old, new, and test: ./package Name", name, n)
			}
			m.pkg, m.tests = words[0], words[1:]
			all = append(all, m)
			m = mistake{}
		default:
			return nil, fmt.Errorf("%s:%d: %q is not understood", name, n, line)
		}
	}
	if m.what != "" {
		return nil, fmt.Errorf("%s: the last mistake has no test", name)
	}
	return all, lines.Err()
}

// block reads the lines up to >>>.
func block(lines *bufio.Scanner) (text string, read int, err error) {
	var out []string
	for lines.Scan() {
		read++
		if lines.Text() == ">>>" {
			return strings.Join(out, "\n"), read, nil
		}
		out = append(out, lines.Text())
	}
	return "", read, errors.New("a block does not end with >>>")
}

// plant returns the texts of the files that the mistake changes, by their paths.
func (m mistake) plant(root string) (map[string]string, error) {
	changed := map[string]string{}
	for _, e := range m.edits {
		at, err := e.find(root, changed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.at, err)
		}
		part := at.text[at.begin:at.end]
		if n := strings.Count(part, e.old); n != 1 {
			return nil, fmt.Errorf("%s: %s has the old text %d times; it must be there once:\n%s", m.at, e.file+e.in, n, e.old)
		}
		changed[at.path] = at.text[:at.begin] + strings.Replace(part, e.old, e.new, 1) + at.text[at.end:]
	}
	return changed, nil
}

// find returns where the old text has to be.
func (e edit) find(root string, changed map[string]string) (section, error) {
	if e.in != "" {
		return findSymbol(root, e.in, changed)
	}
	path := filepath.Join(root, filepath.FromSlash(e.file))
	text, err := textOf(path, changed)
	return section{path, text, 0, len(text)}, err
}
