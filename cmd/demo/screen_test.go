package demo

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// glass is a terminal: it does what the escape sequences of screen say.
type glass struct {
	width    int
	rows     [][]rune
	row, col int
	hidden   bool
	updating bool
}

var sequence = regexp.MustCompile(`^\x1b\[(\??[0-9]*)([A-Za-z])`)

func (g *glass) Write(p []byte) (int, error) {
	for s := string(p); s != ""; {
		if m := sequence.FindStringSubmatch(s); m != nil {
			g.escape(m[1], m[2])
			s = s[len(m[0]):]
			continue
		}
		r := []rune(s)[0]
		s = s[len(string(r)):]
		switch r {
		case '\r':
			g.col = 0
		case '\n':
			g.row++
		default:
			if g.col == g.width {
				g.row, g.col = g.row+1, 0
			}
			g.grow()
			for len(g.rows[g.row]) <= g.col {
				g.rows[g.row] = append(g.rows[g.row], ' ')
			}
			g.rows[g.row][g.col] = r
			g.col++
		}
	}
	return len(p), nil
}

func (g *glass) grow() {
	for len(g.rows) <= g.row {
		g.rows = append(g.rows, nil)
	}
}

func (g *glass) escape(argument, command string) {
	switch argument + command {
	case "?25l":
		g.hidden = true
	case "?25h":
		g.hidden = false
	case "?2026h":
		g.updating = true
	case "?2026l":
		g.updating = false
	case "J":
		g.grow()
		g.rows = g.rows[:g.row+1]
		g.rows[g.row] = g.rows[g.row][:min(g.col, len(g.rows[g.row]))]
	default:
		n, err := strconv.Atoi(argument)
		if command != "A" || err != nil || n > g.row {
			panic(fmt.Sprintf("the screen said %q %q in row %d", argument, command, g.row))
		}
		g.row -= n
	}
}

func (g *glass) String() string {
	var lines []string
	for _, r := range g.rows {
		lines = append(lines, strings.TrimRight(string(r), " "))
	}
	return strings.Join(lines, "\n")
}

func TestScreenKeepsTheAreaBelowWhatScrolls(t *testing.T) {
	g := &glass{width: 20}
	height := 10
	s := &screen{w: g, size: func() (int, int) { return g.width, height }}
	for _, step := range []struct {
		lines, area []string
		want        string
	}{
		{nil, []string{"----", "m1 leader"}, "----\nm1 leader"},
		{[]string{"one"}, []string{"----", "m1 leader"}, "one\n----\nm1 leader"},
		{[]string{"two", "three"}, []string{"----", "m1 dead", "m2 leader"}, "one\ntwo\nthree\n----\nm1 dead\nm2 leader"},
		{nil, []string{"----", "m2 leader"}, "one\ntwo\nthree\n----\nm2 leader"},
		{[]string{"a line that is too long for it"}, []string{"----"}, "one\ntwo\nthree\na line that is too\n    long for it\n----"},
		{nil, []string{"an area's line that is too long"}, "one\ntwo\nthree\na line that is too\n    long for it\nan area's line tha…"},
	} {
		s.show(step.lines, step.area)
		if g.String() != step.want {
			t.Fatalf("the screen shows\n%s\nwant\n%s", g, step.want)
		}
		if !g.hidden || g.updating {
			t.Errorf("cursor hidden %v, update open %v", g.hidden, g.updating)
		}
	}
	height = 2
	s.show(nil, []string{"first", "second", "third"})
	if !strings.HasSuffix(g.String(), "long for it\nfirst") {
		t.Errorf("an area higher than the screen:\n%s", g)
	}
	s.leave()
	if g.hidden || !strings.HasSuffix(g.String(), "long for it\n") {
		t.Errorf("after it left, the cursor is hidden %v, and there is\n%q", g.hidden, g)
	}
}

func TestScreenDrawsOnlyWhatChanged(t *testing.T) {
	var written strings.Builder
	s := &screen{w: &written, size: func() (int, int) { return 80, 24 }}
	s.show(nil, []string{"a", "b"})
	before := written.Len()
	s.show(nil, []string{"a", "b"})
	if written.Len() != before {
		t.Error("the same area was drawn again")
	}
	s.show([]string{"line"}, []string{"a", "b"})
	if written.Len() == before {
		t.Error("a line was not drawn")
	}
}

func TestNewsDropTheOldest(t *testing.T) {
	n := newNews()
	for i := range maxNews + 5 {
		n.add(strconv.Itoa(i))
	}
	<-n.wake
	lines := n.take()
	if len(lines) != maxNews || lines[0] != "5" || len(n.take()) != 0 {
		t.Errorf("%d lines, the first %q", len(lines), lines[0])
	}
}
