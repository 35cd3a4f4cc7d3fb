package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// plan is what init found out: values for some settings, and what to say about
// them.
type plan struct {
	role   string         // master or slave
	values map[string]any // by the flag's name: text, a number, true or a list
	// examples stand in the place of defaults, for what is still to be decided.
	examples map[string]any
	notes    map[string][]string // comments above a setting
	told     []string            // for who typed the command, not for the file
}

func newPlan(role string) plan {
	return plan{role: role, values: map[string]any{}, examples: map[string]any{}, notes: map[string][]string{}}
}

// commentWidth is where comments are wrapped.
const commentWidth = 96

// file writes the plan as the role's part of a configuration file. It names every
// flag that the role reads, in the order in which they were defined.
func (pl plan) file(host string) (string, error) {
	cmd, _, err := fresh(pl.role)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# A %[1]s of muster. Written by "muster init %[1]s" on %[2]s.
#
#   muster config validate FILE    says what is wrong in this file, and on which line
#   muster %[1]s --config FILE    %[3]sstarts the %[1]s
#
# A setting behind a # is not set: what it shows is its default. A variable (MUSTER_LOG_LEVEL for
# log-level) wins over this file, and the command line over both.

%[1]s:
`, pl.role, or(plain(host)), strings.Repeat(" ", len("master")-len(pl.role)))
	for i, f := range roleFlags(cmd) {
		if i > 0 {
			b.WriteString("\n")
		}
		for _, sentence := range append([]string{f.Usage}, pl.notes[f.Name]...) {
			for _, line := range wrap(sentence, commentWidth) {
				fmt.Fprintf(&b, "  # %s\n", plain(line))
			}
		}
		value, mark := pl.values[f.Name], ""
		if value == nil {
			value, mark = pl.examples[f.Name], "#"
		}
		if value == nil {
			value = defaultValue(f)
		}
		text, err := yamlText(f.Name, value)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(text) {
			fmt.Fprintf(&b, "  %s%s", mark, line)
		}
	}
	return b.String(), nil
}

// fresh returns the command of a role in a tree of its own, with the settings
// that its flags fill in.
func fresh(role string) (*cobra.Command, *program, error) {
	p := &program{}
	root := p.rootCommand()
	cmd, _, err := root.Find([]string{role})
	if err != nil {
		return nil, nil, fmt.Errorf("find the command %s: %w", role, err)
	}
	cmd.Flags().SortFlags = false
	cmd.InheritedFlags() // gives it those of the root
	return cmd, p, nil
}

// roleFlags are the flags that mean something to a master or a slave, in the
// order in which they were defined: its own, and those about logs.
func roleFlags(cmd *cobra.Command) []*pflag.Flag {
	var list []*pflag.Flag
	own := cmd.LocalNonPersistentFlags()
	own.SortFlags = false
	own.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			list = append(list, f)
		}
	})
	for _, name := range []string{"log-level", "log-format"} {
		list = append(list, cmd.Flags().Lookup(name))
	}
	return list
}

// defaultValue is a flag's default as YAML has it.
func defaultValue(f *pflag.Flag) any {
	if slice, ok := f.Value.(pflag.SliceValue); ok {
		return slice.GetSlice()
	}
	switch f.Value.Type() {
	case "int", "int64", "uint64", "bool", "duration":
		return bareWord(defaultText(f))
	default:
		return f.DefValue
	}
}

// defaultText is a flag's default for people: 168h, not 168h0m0s.
func defaultText(f *pflag.Flag) string {
	if f.Value.Type() != "duration" {
		return f.DefValue
	}
	text := f.DefValue
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}

// bareWord is written as it is.
type bareWord string

// yamlText is "key: value" as YAML, a list one element a line.
func yamlText(key string, value any) (string, error) {
	if word, ok := value.(bareWord); ok {
		return fmt.Sprintf("%s: %s\n", key, word), nil
	}
	var b strings.Builder
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(map[string]any{key: value}); err != nil {
		return "", fmt.Errorf("write %s as YAML: %w", key, err)
	}
	return b.String(), nil
}

// wrap breaks a sentence into lines of at most width bytes, if its words allow.
func wrap(sentence string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(sentence) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = word
			continue
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
