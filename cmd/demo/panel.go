package demo

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"muster/api/client"
)

// panel is what the status area shows.
type panel struct {
	picture      picture
	load         bool   // the load is on
	acknowledged int    // tasks, so far
	question     string // stands in place of the keys
}

// lines draws the panel: masters to the left, slaves to the right, the tasks,
// and the keys.
func (p panel) lines(v paint, width int) []string {
	left, right := p.masters(v), p.slaves(v)
	column := 36 // so that it does not move when somebody changes
	for _, l := range left {
		column = max(column, text.StringWidthWithoutEscSequences(l))
	}
	out := []string{v.dim(strings.Repeat("─", max(0, min(width, 100)-1)))}
	for i := range max(len(left), len(right)) {
		var l, r string
		if i < len(left) {
			l = left[i]
		}
		if i < len(right) {
			r = right[i]
		}
		out = append(out, " "+strings.TrimRight(pad(l, column+3)+r, " "))
	}
	out = append(out, " "+p.tasks(v))
	if p.question != "" {
		return append(out, " "+v.bold(p.question))
	}
	return append(out, keyLines(v, width)...)
}

func (p panel) masters(v paint) []string {
	leader := p.picture.leader()
	var out []string
	for _, m := range p.picture.masters {
		var state string
		switch {
		case !m.runs:
			state = v.red("dead")
		case m.frozen:
			state = v.cyan("frozen")
		case m.status == nil:
			state = v.yellow("silent")
		case leader != nil && leader.name == m.name:
			state = v.green(pad("leader", 9)) + facts(m.status)
		case m.status.LeaderID == "":
			state = v.yellow(pad("looks for a leader", 19)) + facts(m.status)
		default:
			state = pad(string(m.status.Role), 9) + facts(m.status)
		}
		out = append(out, pad(m.name, 4)+state)
	}
	return out
}

func facts(s *client.Status) string { return fmt.Sprintf("term %d  index %d", s.Term, s.AppliedIndex) }

func (p panel) slaves(v paint) []string {
	var out []string
	for _, s := range p.picture.slaves {
		var state string
		switch {
		case !s.runs && s.entry != nil && s.entry.State == "alive":
			state = v.red("dead") + v.dim(" (not yet noticed)")
		case !s.runs:
			state = v.red("dead")
		case s.frozen:
			state = v.cyan("frozen")
		case s.entry == nil:
			state = v.yellow("unknown")
		case s.entry.State != "alive":
			state = v.yellow(string(s.entry.State))
		case s.entry.Busy > 0:
			state = v.yellow("busy") + fmt.Sprintf("  %d of %s", s.entry.Busy, plural(s.entry.Slots, "slot"))
		default:
			state = v.green("free") + fmt.Sprintf("  0 of %s", plural(s.entry.Slots, "slot"))
		}
		out = append(out, pad(s.name, 9)+state)
	}
	return out
}

func (p panel) tasks(v paint) string {
	counts := v.dim("tasks: no master leads")
	if leader := p.picture.leader(); leader != nil {
		n := leader.status.Counts
		counts = fmt.Sprintf("tasks: %d pending, %d in progress, %d done", n.Pending, n.InProgress, n.Done)
	}
	load := "off"
	if p.load {
		load = v.green("on")
	}
	return fmt.Sprintf("%s; %d acknowledged to us; load %s", counts, p.acknowledged, load)
}

// keyLines are the legend, on as many lines as it takes.
func keyLines(v paint, width int) []string {
	line, lines := "", []string(nil)
	for _, k := range legend() {
		if k.hidden {
			continue
		}
		one := v.bold(string(k.letter)) + " " + v.dim(k.does)
		if line != "" && text.StringWidthWithoutEscSequences(line)+3+text.StringWidthWithoutEscSequences(one) >= width {
			lines = append(lines, line)
			line = ""
		}
		if line == "" {
			line = " " + one
		} else {
			line += "   " + one
		}
	}
	return append(lines, line)
}
