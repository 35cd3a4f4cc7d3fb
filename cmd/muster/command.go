package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/cmd/app"
)

// group makes a command of one that only has others below it: alone it shows
// its help, and a name that is none of them is wrong usage.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		hint := ""
		if cmd.SuggestionsMinimumDistance <= 0 {
			cmd.SuggestionsMinimumDistance = 2
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("; did you mean %q?", near[0])
		}
		return usagef("%q has no command %q%s", cmd.CommandPath(), args[0], hint)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// takes wants exactly the arguments that names name.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s is missing: %s", names[len(args)], cmd.UseLine())
		case len(args) > len(names) && len(names) == 0:
			return usagef("%q takes no arguments, but got %q", cmd.CommandPath(), args[0])
		case len(args) > len(names):
			return usagef("%q is an argument too many; put quotes around what belongs together: %s", args[len(names)], cmd.UseLine())
		}
		return nil
	}
}

// takesNamed is takes, where the first argument names a master or a slave. Names that
// are older than their grammar may be used, if a path can hold them.
func takesNamed(names ...string) cobra.PositionalArgs {
	all := takes(names...)
	return func(cmd *cobra.Command, args []string) error {
		if err := all(cmd, args); err != nil {
			return err
		}
		name := args[0]
		if err := app.CheckName(name); err != nil && (strings.Trim(name, ".") == "" || strings.Contains(name, "/")) {
			return usagef("%s %w", names[0], err)
		}
		return nil
	}
}

// oneOf wants at most one of the flags.
func oneOf(cmd *cobra.Command, names ...string) error {
	var given []string
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() != "false" && f.Value.String() != "[]" {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return usagef("%s exclude each other; give one of them", strings.Join(given, " and "))
	}
	return nil
}

// flagHint adds to an error of the flags' parser what to do about it.
func flagHint(cmd *cobra.Command, err error) string {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return ""
	}
	name := unknown.GetSpecifiedName()
	if shorts := unknown.GetSpecifiedShortnames(); shorts != "" {
		if strings.HasPrefix(cmd.Use, "submit") {
			return "; an expression that begins with - goes after --"
		}
		return fmt.Sprintf("; see %s --help", cmd.CommandPath())
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, f.Name)
		}
	})
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean --%s?", near)
	}
	return fmt.Sprintf("; see %s --help", cmd.CommandPath())
}

// complete has a shell complete a flag with fixed words.
func complete(cmd *cobra.Command, flag string, words ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(fmt.Sprintf("complete --%s of %q: %v", flag, cmd.CommandPath(), err)) // the flag is not there
	}
}
