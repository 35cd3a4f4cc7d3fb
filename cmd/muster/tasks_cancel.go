package main

import (
	"context"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) tasksCancelCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "cancel ID",
		Short:   "cancel a task that is not done",
		Long:    "Cancel a task that waits or is in progress. Its slave is told to stop it.",
		Example: `  muster tasks cancel 7`,
		Args:    takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := taskID(args[0])
			if err != nil {
				return err
			}
			return p.ask(cmd, p.patience, func(ctx context.Context, c *client.Client) error {
				t, err := c.Cancel(ctx, id)
				if err != nil {
					return err
				}
				return p.print(taskAnswer{t}, func() error { return p.line(sentence(&t)) })
			})
		},
	}
}
