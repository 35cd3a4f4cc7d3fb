package demo

import (
	"fmt"
	"strings"
	"sync"
)

// voice tells people what happens, line by line. It may be used from anywhere.
type voice struct {
	paint

	mu    sync.Mutex
	line  func(string) // prints one line
	width func() int
}

// sayf prints a line, indented under the act it belongs to.
func (v *voice) sayf(format string, args ...any) {
	v.print("  "+fmt.Sprintf(format, args...), 4)
}

// act begins a part of the story.
func (v *voice) act(number int, title string) {
	v.print("", 0)
	v.print(v.bold(fmt.Sprintf("%d. %s", number, title)), 3)
}

// pass and fail end a check.
func (v *voice) pass(what string) { v.print("  "+v.green("PASS")+"  "+what, 6) }

func (v *voice) fail(what, why string) {
	v.print("  "+v.red("FAIL")+"  "+what, 6)
	v.print("        "+v.red(why), 0)
}

func (v *voice) print(line string, hang int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for part := range strings.SplitSeq(line, "\n") {
		for _, l := range wrap(part, v.width(), hang) {
			v.line(l)
		}
	}
}
