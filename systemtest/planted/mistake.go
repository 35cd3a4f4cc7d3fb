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
	file  string // of the product, from the module's root
	old   string // in the file exactly once
	new   string
	pkg   string   // ./cluster
	tests []string // names of tests of that package; one of them must fail
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
//	file: cluster/propose.go
//	old: <<<
//	lines
//	>>>
//	new: <<<
//	lines
//	>>>
//	test: ./cluster TestName TestOther
//
// An empty line stands between two mistakes.
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
			m.file = value
		case line == "old: <<<" || line == "new: <<<":
			text, read, err := block(lines)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", name, n, err)
			}
			n += read
			if key == "old" {
				m.old = text
			} else {
				m.new = text
			}
		case key == "test":
			words := strings.Fields(value)
			if m.what == "" || m.file == "" || m.old == "" || len(words) < 2 {
				return nil, fmt.Errorf("%s:%d: a mistake needs what it is (#), file, old, new, and test: ./package Name", name, n)
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

// plant returns the file's text with the mistake in it.
func (m mistake) plant(root string) (string, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.at, err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return "", fmt.Errorf("%s: %s has the old text %d times; it must be there once:\n%s", m.at, m.file, n, m.old)
	}
	return strings.Replace(string(source), m.old, m.new, 1), nil
}
