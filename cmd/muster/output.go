package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// The formats of answers.
const (
	formatTable format = "table"
	formatJSON  format = "json"
	formatJSONL format = "jsonl"
)

var formats = [...]string{string(formatTable), string(formatJSON), string(formatJSONL)}

// format is a flag; empty is a table.
type format string

// String returns the format's name.
func (f *format) String() string {
	if *f == "" {
		return string(formatTable)
	}
	return string(*f)
}

// Set takes a format's name.
func (f *format) Set(s string) error { return setWord(f, s, formats[:]) }

// Type is what the help shows for the value.
func (f *format) Type() string { return "format" }

// print writes an answer: value as JSON for programs, or what people does for
// people.
func (p *program) print(value any, people func() error) error {
	switch p.output.String() {
	case string(formatJSON):
		return p.writeJSON(value, "  ")
	case string(formatJSONL):
		return p.writeJSON(value, "")
	default:
		return people()
	}
}

// printList is print for a list: as JSON lines it is one element a line, and as
// JSON the whole answer.
func printList[T any](p *program, whole any, elements []T, people func() error) error {
	if p.output != formatJSONL {
		return p.print(whole, people)
	}
	for _, e := range elements {
		if err := p.writeJSON(e, ""); err != nil {
			return err
		}
	}
	return nil
}

func (p *program) writeJSON(value any, indent string) error {
	enc := json.NewEncoder(p.stdout)
	enc.SetEscapeHTML(false) // expressions have < and >
	enc.SetIndent("", indent)
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// line writes a sentence for people.
func (p *program) line(sentence string) error {
	_, err := fmt.Fprintln(p.stdout, sentence)
	return err //nolint:wrapcheck // there is nothing to add
}

// grid is a table under construction.
type grid struct{ w table.Writer }

// newGrid starts a table with these columns.
func newGrid(columns ...string) grid {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft = ""
	style.Box.PaddingRight = "  "
	style.Format.Header = text.FormatUpper
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	w.AppendHeader(row(columns))
	return grid{w}
}

// add appends a row. What comes from elsewhere is made fit for a terminal.
func (g grid) add(cells ...string) {
	for i := range cells {
		cells[i] = plain(cells[i])
	}
	g.w.AppendRow(row(cells))
}

// right aligns columns (counted from 1) to the right.
func (g grid) right(columns ...int) grid {
	var configs []table.ColumnConfig
	for _, c := range columns {
		configs = append(configs, table.ColumnConfig{Number: c, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	g.w.SetColumnConfigs(configs)
	return g
}

func (g grid) print(p *program) error {
	_, err := fmt.Fprintln(p.stdout, g.w.Render())
	return err //nolint:wrapcheck // there is nothing to add
}

func row(cells []string) table.Row {
	out := make(table.Row, len(cells))
	for i, c := range cells {
		out[i] = c
	}
	return out
}

// plain makes text from elsewhere fit for a terminal: what would move the
// cursor or change colours is shown, not done.
func plain(s string) string {
	unfit := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.IndexFunc(s, unfit) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unfit(r) {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// short cuts text to at most n runes, saying so with "…".
func short(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

// clock shows an instant; "-" for none.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// span shows a duration as people want to read it.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// or shows s, or "-" if there is nothing to show.
func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
