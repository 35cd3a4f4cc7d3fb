package main

import (
	"context"

	"github.com/spf13/cobra"

	"muster/cmd/app"
)

// evaluateChildCommand is what a slave starts: a process that evaluates
// expressions and may die of one.
func (p *program) evaluateChildCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "evaluate-child",
		Short:  "evaluate expressions from stdin, for a slave",
		Hidden: true,
		Args:   takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The slave ends it, by closing its input. A Ctrl-C reaches all
			// processes of a terminal, but a slave that drains still needs it.
			return app.EvaluateChild(context.WithoutCancel(cmd.Context()), p.stdin, p.stdout)
		},
	}
}
