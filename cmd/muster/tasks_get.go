package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) tasksGetCommand() *cobra.Command {
	var read readFlags
	cmd := &cobra.Command{
		Use:     "get ID",
		Short:   "show one task",
		Example: `  muster tasks get 7 -o json`,
		Args:    takes("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := taskID(args[0])
			if err != nil {
				return err
			}
			return p.ask(cmd, p.patience, func(ctx context.Context, c *client.Client) error {
				t, err := c.Task(ctx, id, read.options())
				if err != nil {
					return err
				}
				return p.print(taskAnswer{t}, func() error { return p.printTask(&t) })
			})
		},
	}
	read.add(cmd)
	return cmd
}

// printTask shows all of one task, a line for each thing there is to say.
func (p *program) printTask(t *client.Task) error {
	var parameters []string
	for _, x := range t.Parameters {
		value := x.Value.Text
		if x.Value.Type.String() == "string" {
			value = strconv.Quote(value)
		}
		parameters = append(parameters, x.Name+"="+value)
	}
	g := newGrid("task", strconv.FormatUint(t.ID, 10))
	for _, line := range [][2]string{
		{"status", statusWords(t)},
		{"result", optional(t.Result)},
		{"error", t.Error},
		{"kind", t.Kind},
		{"expression", t.Expression},
		{"parameters", strings.Join(parameters, ", ")},
		{"key", t.IdempotencyKey},
		{"slave", t.Slave},
		{"attempt", strconv.FormatUint(uint64(t.Attempt), 10)},
		{"tries", strconv.FormatUint(uint64(t.Tries), 10) + " of " + strconv.FormatUint(uint64(t.MaxTries), 10)},
		{"backoff", t.Backoff},
		{"labels", labelText(t.Labels)},
		{"requires", labelText(t.Requires)},
		{"submitted", clock(t.SubmittedAt)},
		{"not before", clock(t.ReadyAt)},
		{"deadline", clock(t.DeadlineAt)},
		{"started", clock(t.StartedAt)},
		{"finished", clock(t.FinishedAt)},
		{"took", took(t)},
		{"index", strconv.FormatUint(t.Index, 10)},
	} {
		if line[1] != "" && line[1] != "-" {
			g.add(line[0], line[1])
		}
	}
	return g.print(p)
}

func optional(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
