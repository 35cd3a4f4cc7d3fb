package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) tasksWaitCommand() *cobra.Command {
	var atMost time.Duration
	cmd := &cobra.Command{
		Use:     "wait ID",
		Short:   "wait for a task to be done",
		Long:    "Wait for a task to be done. Exits with 5 if it did not succeed, and with 6 if the wait ended first.",
		Example: `  muster tasks wait 7 --for 2m`,
		Args:    takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := taskID(args[0])
			if err != nil {
				return err
			}
			if atMost <= 0 {
				return usagef("--for %s must be above 0", atMost)
			}
			return p.ask(cmd, p.patience+atMost, func(ctx context.Context, c *client.Client) error {
				// Known first, so that an unknown id and a cluster without a leader
				// are told from a wait that ended.
				asking, cancel := context.WithTimeout(ctx, p.patience)
				defer cancel()
				t, err := c.Task(asking, id, client.ReadOptions{})
				if err != nil {
					return err
				}
				waited := p.await(ctx, c, atMost, &t)
				if err := p.print(taskAnswer{t}, func() error { return p.line(sentence(&t)) }); err != nil {
					return err
				}
				return waited
			})
		},
	}
	cmd.Flags().DurationVar(&atMost, "for", defaultWait, "how long to wait")
	return cmd
}
