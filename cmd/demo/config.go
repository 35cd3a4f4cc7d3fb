package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// Bounds of a demo: more than this does not fit on a screen.
const (
	MaxMasters = 7
	MaxSlaves  = 9
)

// Config says what to show, and where.
type Config struct {
	Masters int
	Slaves  int
	Script  bool // the fixed story instead of keys

	Stdin  io.Reader
	Stdout io.Writer
	Env    []string // for NO_COLOR and TERM

	// Executable is the program whose commands master and slave are run; default:
	// this one.
	Executable string
}

// CheckScript refuses what the fixed story can't be told with, if it is what
// will be told.
func (c Config) CheckScript(stdin io.Reader, stdout io.Writer) error {
	c.Stdin, c.Stdout = stdin, stdout
	if !c.scripted() {
		return nil
	}
	if c.Masters < 3 {
		return fmt.Errorf("the story kills a master and goes on, for which there must be 3 of them, not %d", c.Masters)
	}
	if c.Slaves != 2 {
		return fmt.Errorf("the story is about 2 slaves, not %d", c.Slaves)
	}
	return nil
}

// scripted tells whether the story is told: when it is asked for, and when there
// is nobody to press keys.
func (c Config) scripted() bool {
	return c.Script || terminal(c.Stdin) == nil || terminal(c.Stdout) == nil
}

// terminal returns the file behind a stream if it is a terminal.
func terminal(stream any) *os.File {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// paint colours what goes to a terminal that has colours, unless the user wants
// none.
func (c Config) paint() paint {
	no := func(v string) bool {
		return strings.HasPrefix(v, "NO_COLOR=") && v != "NO_COLOR=" || v == "TERM=dumb"
	}
	return paint{on: terminal(c.Stdout) != nil && !slices.ContainsFunc(c.Env, no)}
}

// width is that of the terminal, or what fits on all of them.
func (c Config) width() int {
	const everywhere = 80
	if f := terminal(c.Stdout); f != nil {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return min(w, 120) // longer lines are hard to read
		}
	}
	return everywhere
}

func (c Config) executable() (string, error) {
	if c.Executable != "" {
		return c.Executable, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", errors.Join(errors.New("find this program, to start masters and slaves with it"), err)
	}
	return path, nil
}
