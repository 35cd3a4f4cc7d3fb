package demo

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
)

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		line        string
		width, hang int
		want        string
	}{
		{"  short", 20, 4, "  short"},
		{"  one two three four", 12, 4, "  one two\n      three\n      four"},
		{"  m1 asks:  \"I am available.\"", 80, 4, "  m1 asks:  \"I am available.\""},
		{"a-word-that-is-longer-than-the-line and more", 10, 0, "a-word-that-is-longer-than-the-line\nand more"},
		{"\x1b[31mred\x1b[0m and \x1b[1mbold\x1b[0m", 12, 0, "\x1b[31mred\x1b[0m and \x1b[1mbold\x1b[0m"},
		{"", 10, 2, ""},
		{"anything", 0, 2, "anything"},
	} {
		if got := strings.Join(wrap(c.line, c.width, c.hang), "\n"); got != c.want {
			t.Errorf("wrap(%q, %d):\n%q\nwant\n%q", c.line, c.width, got, c.want)
		}
	}
}

func TestCut(t *testing.T) {
	red := paint{on: true}.red("twenty characters xx")
	for _, line := range []string{"twenty characters xx", red} {
		if got := cut(line, 20); got != line {
			t.Errorf("cut(%q, 20) = %q", line, got)
		}
		got := cut(line, 10)
		if w := text.StringWidthWithoutEscSequences(got); w != 10 || !strings.Contains(got, "…") {
			t.Errorf("cut(%q, 10) = %q, %d wide", line, got, w)
		}
		if strings.Contains(line, "\x1b") && !strings.Contains(got, "\x1b[0m") {
			t.Errorf("cut(%q, 10) = %q leaves its colour on", line, got)
		}
	}
}

func TestPaintIsOffByDefault(t *testing.T) {
	if got := (paint{}).red("x") + (paint{}).bold("y"); got != "xy" {
		t.Errorf("%q", got)
	}
	if got := (paint{on: true}).green("x"); got != "\x1b[32mx\x1b[0m" {
		t.Errorf("%q", got)
	}
}
