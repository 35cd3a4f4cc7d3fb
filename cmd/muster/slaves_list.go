package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"muster/api/client"
)

// slaveList is the slaves as JSON, as the API answers it.
type slaveList struct {
	Slaves []client.Slave `json:"slaves"`
}

func (p *program) slavesListCommand() *cobra.Command {
	var read readFlags
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "list slaves, in the order in which they are asked",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.ask(cmd, p.patience, func(ctx context.Context, c *client.Client) error {
				slaves, err := c.Slaves(ctx, read.options())
				if err != nil {
					return err
				}
				return printList(p, slaveList{slaves}, slaves, func() error {
					g := newGrid("name", "state", "slots", "busy", "url", "registered", "last seen").right(3, 4)
					for _, s := range slaves {
						g.add(s.Name, string(s.State), strconv.Itoa(s.Slots), strconv.Itoa(s.Busy), s.URL, clock(s.RegisteredAt), clock(s.LastSeenAt))
					}
					return g.print(p)
				})
			})
		},
	}
	read.add(cmd)
	return cmd
}
