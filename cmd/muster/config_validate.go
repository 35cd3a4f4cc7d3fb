package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// validator checks one file.
type validator struct {
	path string
	env  []string
	here machine

	text configText
	vars *koanf.Koanf // the MUSTER_… variables that are set
	// refused are keys whose value their flag did not take, so that the flag has
	// its default now, about which nothing need be said.
	refused map[string]bool
	cmd     *cobra.Command
	report
}

// validate looks for everything that is wrong; role may be empty.
func (v *validator) validate(ctx context.Context, text []byte, role string) report {
	v.report = report{File: v.path, Role: role, Mistakes: []finding{}, Warnings: []finding{}}
	var wrong []finding
	if v.text, wrong = parseConfig(text); wrong != nil {
		v.Mistakes = wrong
		return v.report
	}
	if v.Role == "" && !v.findRole() {
		return v.report
	}
	cmd, p, err := fresh(v.Role)
	if err == nil {
		v.cmd = cmd
		v.unknownKeys()
		err = v.set()
	}
	if err != nil {
		v.mistake("", "", err.Error())
		return v.report
	}
	v.check(ctx, p)
	v.order()
	return v.report
}

// check runs the checks of the start, and those that look at this machine.
func (v *validator) check(ctx context.Context, p *program) {
	here := v.here.suggestion(ctx)
	v.addAll(p.checkShared())
	if v.Role == "slave" {
		cfg, err := p.slave.check(v.cmd, here)
		v.Name = cfg.Name
		v.addAll(err)
		v.slaveHere(ctx, cfg)
		return
	}
	cfg, err := p.master.check(v.cmd, here)
	v.Name = cfg.ID
	v.addAll(err)
	v.masterHere(ctx, cfg)
}

// findRole takes the role from the sections of the file, or from keys at its top
// that only one of the two reads.
func (v *validator) findRole() bool {
	roles := v.text.sections()
	if len(roles) == 0 {
		for _, role := range configRoles {
			if slices.ContainsFunc(v.text.topKeys(), func(key string) bool { return roleOf(key) == role }) {
				roles = append(roles, role)
			}
		}
	}
	switch {
	case len(roles) == 1:
		v.Role = roles[0]
		return true
	case len(roles) > 1:
		v.Mistakes = append(v.Mistakes, finding{Message: "it has settings of a master and of a slave; say with --role master or --role slave which to check"})
	default:
		v.Mistakes = append(v.Mistakes, finding{Message: "it has no section master: or slave:; write the settings below one of them, or say with --role whose they are"})
	}
	return false
}

// roleOf is the role that alone reads a key; empty if both do, or none.
func roleOf(key string) string {
	var of string
	for _, role := range configRoles {
		cmd, _, err := fresh(role)
		if err != nil {
			return ""
		}
		if slices.ContainsFunc(roleFlags(cmd), func(f *pflag.Flag) bool { return f.Name == key }) {
			if of != "" {
				return ""
			}
			of = role
		}
	}
	return of
}

// unknownKeys finds keys that nothing reads.
func (v *validator) unknownKeys() {
	check(v.cmd.Root(), v.text.content, "", func(key, name string, known []string) {
		shown := key
		if !keyWord.MatchString(key) {
			shown = shownKey(key)
		}
		f := finding{Key: shown, Line: v.text.keys[key].line, Message: "is unknown; see muster " + v.Role + " --help for the settings"}
		if near := nearest(name, known); near != "" {
			f.Message = fmt.Sprintf("is unknown; did you mean %s?", near)
		}
		v.Mistakes = append(v.Mistakes, f)
	})
}

// set gives the flags of the role the values of the file, and of the variables,
// which win.
func (v *validator) set() error {
	fromFile, err := partOf(v.cmd, v.text.content, v.path)
	if err != nil {
		return err
	}
	if v.vars, err = readEnvironment(v.env); err != nil {
		return err
	}
	v.addAll(setFlags(v.cmd, fromFile, v.vars, v.path))
	v.refused = map[string]bool{}
	for _, f := range v.Mistakes {
		v.refused[f.Key] = true
	}
	for _, f := range roleFlags(v.cmd) {
		switch place := v.text.place(v.cmd, f.Name); {
		case v.vars.Exists(f.Name):
			v.warnf(f.Name, "the variable %s%s is set here, and wins over the file", envPrefix, variable(f.Name))
		case place.value != nil && f.Value.Type() == "string" && f.Changed && place.value.Tag != "!!str" && place.value.Value != f.Value.String():
			v.warnf(f.Name, "%s is a number or a date in YAML, and read as %s; put quotes around it", place.value.Value, f.Value)
		}
	}
	return nil
}

// addAll adds mistakes that were joined into one error.
func (v *validator) addAll(err error) {
	for _, one := range flatten(err) {
		switch setting, known := errors.AsType[*settingError](one); {
		case known && v.refused[setting.key]:
		case known:
			v.mistake(setting.key, setting.element, setting.words())
		default:
			v.mistake("", "", one.Error())
		}
	}
}

func (v *validator) mistake(key, element, message string) {
	f := v.finding(key, element, message)
	if !slices.Contains(v.Mistakes, f) {
		v.Mistakes = append(v.Mistakes, f)
	}
}

// warnf adds what can be right.
func (v *validator) warnf(key, format string, args ...any) {
	f := v.finding(key, "", fmt.Sprintf(format, args...))
	f.Variable = ""
	if !slices.Contains(v.Warnings, f) {
		v.Warnings = append(v.Warnings, f)
	}
}

// flagName finds flags as messages for the command line name them.
var flagName = regexp.MustCompile(`(^|[ (/])--([a-z]+(-[a-z]+)*)`)

// finding is a message about a key, or about an element of its list, in the words
// of a file.
func (v *validator) finding(key, element, message string) finding {
	message = strings.ReplaceAll(flagName.ReplaceAllString(message, "$1$2"), "\n", "; ")
	f := finding{Key: key, Message: message}
	if key == "" || v.cmd == nil {
		return f
	}
	if v.vars != nil && v.vars.Exists(key) {
		f.Variable = envPrefix + variable(key)
		return f
	}
	place := v.text.place(v.cmd, key)
	f.Line = place.line
	if place.value != nil && element != "" {
		for _, node := range place.value.Content {
			if node.Value == element {
				f.Line = node.Line
			}
		}
	}
	return f
}

// order sorts findings as they stand in the file; those without a line come last.
func (v *validator) order() {
	byLine := func(a, b finding) int {
		switch {
		case a.Line == b.Line:
			return 0
		case a.Line == 0:
			return 1
		case b.Line == 0:
			return -1
		}
		return a.Line - b.Line
	}
	slices.SortStableFunc(v.Mistakes, byLine)
	slices.SortStableFunc(v.Warnings, byLine)
}
