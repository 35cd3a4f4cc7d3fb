package main

import (
	"context"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) mastersTransferCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "transfer ID",
		Short:   "hand leadership to a master",
		Example: `  muster masters transfer m2`,
		Args:    takesNamed("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeMasters(cmd, func(ctx context.Context, c *client.Client) (string, error) {
				return c.TransferLeadership(ctx, args[0])
			})
		},
	}
}
