package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// checkKeys refuses keys of a configuration file that nothing reads: a mistyped
// one would otherwise be a setting that is silently not there.
func checkKeys(root *cobra.Command, content map[string]any, path string) error {
	var wrong []error
	check(root, content, "", func(key, name string, known []string) {
		hint := ""
		if near := nearest(name, known); near != "" {
			hint = fmt.Sprintf("; the nearest known key is %q", near)
		}
		wrong = append(wrong, usagef("%s: unknown key %s%s", path, shownKey(key), hint))
	})
	return errors.Join(wrong...)
}

// keyWord is what names of settings, and mistakes in them, look like.
var keyWord = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,60}$`)

// shownKey is a key for people, if it looks like one: what else may stand in a file
// that is not muster's need not get into a log.
func shownKey(key string) string {
	if keyWord.MatchString(key) {
		return strconv.Quote(key)
	}
	return "(not shown: it is no setting's name)"
}

func check(cmd *cobra.Command, section map[string]any, prefix string, unknown func(key, name string, known []string)) {
	flags := flagsBelow(cmd)
	commands := map[string]*cobra.Command{}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			commands[sub.Name()] = sub
		}
	}
	for _, name := range slices.Sorted(maps.Keys(section)) {
		below, nested := section[name].(map[string]any)
		switch sub := commands[name]; {
		case nested && sub != nil:
			check(sub, below, prefix+name+".", unknown)
		case nested || !flags[name]:
			known := slices.Sorted(maps.Keys(flags))
			known = append(known, slices.Sorted(maps.Keys(commands))...)
			known = slices.DeleteFunc(known, func(word string) bool { return word == name }) // a command's, with no section below it
			unknown(prefix+name, name, known)
		}
	}
}

// flagsBelow are the names of the flags of cmd and of the commands under it.
func flagsBelow(cmd *cobra.Command) map[string]bool {
	names := map[string]bool{}
	add := func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" && f.Name != "config" && f.Annotations[onlyTyped] == nil {
			names[f.Name] = true
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	for _, sub := range cmd.Commands() {
		for name := range flagsBelow(sub) {
			names[name] = true
		}
	}
	return names
}

// nearest returns the word that takes the fewest edits to become name; empty if
// none is near.
func nearest(name string, words []string) string {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	best, fewest := "", max(2, len(name)/2)+1
	for _, word := range words {
		if n := edits(name, word); n < fewest {
			best, fewest = word, n
		}
	}
	return best
}

// edits is the Levenshtein distance of two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
