package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// metrics are in the order in which they are printed.
func metrics() []metric {
	return []metric{rate, p50, cpuAll, cpuLeader, cpuFollowers, cpuSlaves, cpuChildren, cpuClient, objects, residentAll, residentAnon}
}

// results are the samples of each row and contestant, in the order of the repetitions.
type results map[string]map[string][]sample

func (r results) add(row, who string, s sample) {
	if r[row] == nil {
		r[row] = map[string][]sample{}
	}
	r[row][who] = append(r[row][who], s)
}

func (s sample) String() string {
	var parts []string
	for _, m := range metrics() {
		if v, ok := s[m]; ok {
			parts = append(parts, fmt.Sprintf("%s=%s", strings.ReplaceAll(string(m), " ", "_"), figure(v)))
		}
	}
	return strings.Join(parts, " ")
}

// print writes a table of medians for each row, then what was aimed at.
func (r results) print(out io.Writer, s settings) {
	fmt.Fprintf(out, "medians of %d repetitions of %s, in turn, %d processors\n", s.reps, s.during, runtime.NumCPU())
	var who []string
	for _, b := range s.builds {
		who = append(who, b.name)
	}
	who = append(who, "gin", "nats")
	for _, row := range rows() {
		found := r[row.name]
		if found == nil {
			continue
		}
		fmt.Fprintf(out, "\n%s: %s\n", row.name, row.title)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		here := slices.DeleteFunc(slices.Clone(who), func(name string) bool { return found[name] == nil })
		fmt.Fprintf(w, "\t%s\t\n", strings.Join(here, "\t"))
		for _, m := range metrics() {
			cells, measured := make([]string, len(here)), false
			for i, name := range here {
				if values := column(found[name], m); values != nil {
					cells[i] = fmt.Sprintf("%s [%s–%s]", figure(median(values)), figure(slices.Min(values)), figure(slices.Max(values)))
					measured = true
				}
			}
			if measured {
				fmt.Fprintf(w, "%s\t%s\t\n", m, strings.Join(cells, "\t"))
			}
		}
		_ = w.Flush() // as for other output, there is nobody else to tell
		r.printAims(out, s, row)
	}
}

// printAims writes the ratios of each build but the base, beside what they are to be.
func (r results) printAims(out io.Writer, s settings, row row) {
	base := s.builds[0].name
	for _, b := range s.builds[min(1, len(s.builds)-1):] {
		for _, a := range row.aims {
			against := a.against
			if against == "base" {
				against = base
			}
			mine, theirs := r[row.name][b.name], r[row.name][against]
			if mine == nil || (a.against != "" && theirs == nil) || against == b.name {
				continue
			}
			value := median(column(mine, a.what))
			text := ""
			if a.against != "" {
				value = ratio(mine, theirs, a.what)
				text = " × " + against
			}
			sign, met := "≤", value <= a.value
			if a.atLeast {
				sign, met = "≥", value >= a.value
			}
			verdict := "missed"
			if met {
				verdict = "met"
			}
			fmt.Fprintf(out, "  %-6s %s: %s of %s is %s%s (aim: %s %s)\n", verdict, row.name, a.what, b.name, figure(value), text, sign, figure(a.value))
		}
	}
}

// ratio is the median of the ratios of what was measured in the same repetition: what
// changes on the machine from one to the next does not count.
func ratio(mine, theirs []sample, m metric) float64 {
	var all []float64
	for i := range min(len(mine), len(theirs)) {
		all = append(all, mine[i][m]/theirs[i][m])
	}
	return median(all)
}

// column is what was found of a metric, nil if nothing was.
func column(samples []sample, m metric) []float64 {
	var values []float64
	for _, s := range samples {
		if v, ok := s[m]; ok {
			values = append(values, v)
		}
	}
	return values
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// figure writes a number with three digits that count.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
