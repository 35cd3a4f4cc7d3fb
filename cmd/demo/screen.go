package demo

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// screen prints lines that scroll, above a status area that stays at the end. It
// needs a terminal, in raw mode or not, and one goroutine that uses it.
//
// Each change goes out as one write: the cursor goes up to the start of the
// area, everything from there is erased, the new lines and the area follow. So
// nothing flickers, and what a terminal has scrolled away stays as it was.
type screen struct {
	w    io.Writer
	size func() (width, height int)

	area  []string // what stands at the end, as it was drawn
	width int      // of the terminal when it was drawn
}

// Escape sequences; all terminals of the last decades know the first two, and
// ignore the others if they don't know them.
const (
	eraseBelow  = "\x1b[J"
	cursorUp    = "\x1b[%dA"
	hideCursor  = "\x1b[?25l"
	showCursor  = "\x1b[?25h"
	beginUpdate = "\x1b[?2026h"
	endUpdate   = "\x1b[?2026l"
)

// show prints lines and replaces the area. Without lines it only redraws, and
// not even that if nothing changed.
func (s *screen) show(lines, area []string) {
	width, height := s.size()
	drawn := make([]string, 0, len(area))
	for _, l := range area[:min(len(area), max(1, height-1))] {
		// One column stays free: a full line makes some terminals wrap.
		drawn = append(drawn, cut(l, width-1))
	}
	if len(lines) == 0 && width == s.width && equal(drawn, s.area) {
		return
	}
	var b strings.Builder
	b.WriteString(beginUpdate + hideCursor + "\r")
	if up := s.rows(width) - 1; up > 0 {
		fmt.Fprintf(&b, cursorUp, up)
	}
	b.WriteString(eraseBelow)
	for _, l := range lines {
		for _, part := range wrap(l, width-1, 4) {
			b.WriteString(part + "\r\n")
		}
	}
	b.WriteString(strings.Join(drawn, "\r\n") + endUpdate)
	s.area, s.width = drawn, width
	_, _ = io.WriteString(s.w, b.String()) // a terminal that is gone ends the demo by a signal
}

// rows is how many rows the area takes on a terminal that may have become
// narrower since.
func (s *screen) rows(width int) int {
	rows := 0
	for _, l := range s.area {
		rows += 1 + max(0, text.StringWidthWithoutEscSequences(l)-1)/max(1, width)
	}
	return rows
}

// leave takes the area away and shows the cursor again.
func (s *screen) leave() {
	s.show(nil, []string{""})
	_, _ = io.WriteString(s.w, "\r"+eraseBelow+showCursor)
}

func equal(a, b []string) bool {
	return len(a) == len(b) && strings.Join(a, "\n") == strings.Join(b, "\n")
}
