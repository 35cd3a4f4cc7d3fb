package main

import (
	"context"
	"slices"
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
					return p.printSlaves(slaves)
				})
			})
		},
	}
	read.add(cmd)
	return cmd
}

func (p *program) printSlaves(slaves []client.Slave) error {
	// Only the leader knows when it last heard of a slave.
	fromLeader := slices.ContainsFunc(slaves, func(s client.Slave) bool { return !s.LastSeenAt.IsZero() })
	labelled := slices.ContainsFunc(slaves, func(s client.Slave) bool { return len(s.Labels) > 0 })
	versioned := slices.ContainsFunc(slaves, func(s client.Slave) bool { return s.Version != "" })
	columns := []string{"name", "state", "slots", "busy", "load", "url", "registered"}
	if fromLeader {
		columns = append(columns, "last seen")
	}
	if versioned {
		columns = append(columns, "version")
	}
	if labelled {
		columns = append(columns, "labels")
	}
	g := newGrid(columns...).right(3, 4, 5)
	for _, s := range slaves {
		cells := []string{s.Name, string(s.State), strconv.Itoa(s.Slots), strconv.Itoa(s.Busy), load(&s), s.URL, clock(s.RegisteredAt)}
		if fromLeader {
			cells = append(cells, clock(s.LastSeenAt))
		}
		if versioned {
			cells = append(cells, plain(or(s.Version)))
		}
		if labelled {
			cells = append(cells, plain(labelText(s.Labels)))
		}
		g.add(cells...)
	}
	return g.print(p)
}

// load is the share of the slots that are taken. After a resize it may be above
// all of them, until tasks end.
func load(s *client.Slave) string {
	if s.Slots == 0 {
		return "-"
	}
	return strconv.Itoa(100*s.Busy/s.Slots) + "%"
}
