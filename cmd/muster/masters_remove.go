package main

import (
	"context"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) mastersRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "remove ID",
		Aliases: []string{"rm"},
		Short:   "take a master out of the cluster",
		Long: `Take a master out of the cluster, for ever: to come back it needs a new id and an
empty data directory. A master that is only down for a while needs nothing.`,
		Example: `  muster masters remove m3`,
		Args:    takesNamed("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeMasters(cmd, func(ctx context.Context, c *client.Client) (string, error) {
				return c.RemoveMaster(ctx, args[0])
			})
		},
	}
}
