package demo

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// paint colours text, if the terminal has colours. The zero value does not.
type paint struct{ on bool }

func (p paint) as(s string, code int) string {
	if !p.on || s == "" {
		return s
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, s)
}

func (p paint) bold(s string) string   { return p.as(s, 1) }
func (p paint) dim(s string) string    { return p.as(s, 2) }
func (p paint) red(s string) string    { return p.as(s, 31) }
func (p paint) green(s string) string  { return p.as(s, 32) }
func (p paint) yellow(s string) string { return p.as(s, 33) }
func (p paint) cyan(s string) string   { return p.as(s, 36) }

// wrap breaks a line between words so that none is wider than width, and
// indents what follows by as much as the line itself and by hang more. Escape
// sequences take no width.
func wrap(line string, width, hang int) []string {
	if width <= 0 || text.StringWidthWithoutEscSequences(line) <= width {
		return []string{line}
	}
	words := strings.Split(line, " ")
	indent := 0
	for indent < len(words) && words[indent] == "" {
		indent++
	}
	prefix := strings.Repeat(" ", min(indent+hang, width/2))
	var out []string
	current, started := strings.Repeat(" ", indent), false
	for _, word := range words[indent:] {
		next := current
		if started {
			next += " "
		}
		next += word
		if started && text.StringWidthWithoutEscSequences(next) > width {
			out = append(out, strings.TrimRight(current, " "))
			next = prefix + word
		}
		current, started = next, true
	}
	return append(out, current)
}

// cut shortens a line to width, saying so with "…".
func cut(line string, width int) string {
	if width <= 0 || text.StringWidthWithoutEscSequences(line) <= width {
		return line
	}
	return text.Snip(line, width, "…")
}

// pad fills a line up to width with spaces.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-text.StringWidthWithoutEscSequences(s)))
}

// plural says how many of something there are.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
