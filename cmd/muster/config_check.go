package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/cmd/app"
)

// needed wants flags to have a value, wherever it comes from. It names each that
// has none.
func needed(cmd *cobra.Command, names ...string) error {
	var wrong []error
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		if f.Value.String() != "" && f.Value.String() != "[]" {
			continue
		}
		wrong = append(wrong, &exitError{exitUsage, &settingError{
			key:  name,
			err:  fmt.Errorf("is missing: %s", f.Usage),
			said: fmt.Sprintf("%s needs --%s (%s)", cmd.CommandPath(), name, f.Usage),
		}})
	}
	return errors.Join(wrong...)
}

// oneWay is oneOf for settings: it names the first of those that exclude each
// other.
func oneWay(cmd *cobra.Command, names ...string) error {
	err := oneOf(cmd, names...)
	if err == nil {
		return nil
	}
	var first string
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); first == "" && f.Changed && f.Value.String() != "false" && f.Value.String() != "[]" {
			first = name
		}
	}
	return &exitError{exitUsage, &settingError{key: first, err: err, said: err.Error()}}
}

// nameOf checks a name that something new gets. That there is none, needed says.
func nameOf(key, name string) error {
	if err := app.CheckName(name); err != nil && name != "" {
		return wrongf(key, "%w", err)
	}
	return nil
}

func notNegative(key string, value time.Duration) error {
	if value < 0 {
		return wrongf(key, "%v can't be negative", value)
	}
	return nil
}

// aboveZero refuses 0, which the packages below take for "not given".
func aboveZero[T int | int64 | uint64 | time.Duration](key string, value T) error {
	if value <= 0 {
		return wrongf(key, "%v must be above 0", value)
	}
	return nil
}

// filled refuses 0 and nothing as the value of flags where leaving them out means
// something else: a variable of a script that was not set must not do the same.
func filled(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		if !f.Changed {
			continue
		}
		switch value := f.Value.String(); value {
		case "":
			return usagef("--%s is empty: leave it out to say nothing", name)
		case "0", "0s":
			if f.Value.Type() != "string" {
				return usagef("--%s %s must be above 0: leave it out to say nothing", name, value)
			}
		}
	}
	return nil
}
