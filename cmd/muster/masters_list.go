package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"muster/api/client"
)

// masterList is the masters as JSON, as the API answers it.
type masterList struct {
	Masters []client.Master `json:"masters"`
}

func (p *program) mastersListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "list the masters, as the one that is asked knows them",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.ask(cmd, p.patience, func(ctx context.Context, c *client.Client) error {
				masters, err := c.Masters(ctx)
				if err != nil {
					return err
				}
				return printList(p, masterList{masters}, masters, func() error {
					g := newGrid("id", "role", "votes", "api", "raft")
					for _, m := range masters {
						g.add(m.ID, string(m.Role), yesNo(m.Voter), or(m.APIURL), m.RaftAddress)
					}
					return g.print(p)
				})
			})
		},
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }
