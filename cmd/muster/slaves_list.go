package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

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
	columns := []string{"name", "state", "slots", "busy", "load", "url", "version", "registered"}
	if fromLeader {
		columns = append(columns, "last seen")
	}
	if labelled {
		columns = append(columns, "labels")
	}
	g := newGrid(columns...).right(3, 4, 5)
	for _, s := range slaves {
		load := strconv.Itoa(100*s.Busy/max(1, s.Slots)) + "%"
		cells := []string{s.Name, string(s.State), strconv.Itoa(s.Slots), strconv.Itoa(s.Busy), load, s.URL, or(s.Version), clock(s.RegisteredAt)}
		if fromLeader {
			cells = append(cells, clock(s.LastSeenAt))
		}
		if labelled {
			cells = append(cells, or(labelWords(s.Labels)))
		}
		g.add(cells...)
	}
	return g.print(p)
}

// labelWords shows labels as they are given.
func labelWords(labels client.Labels) string {
	var words []string
	for _, l := range labels {
		words = append(words, l.Name+"="+l.Value)
	}
	return strings.Join(words, ",")
}
