package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"muster/api/client"
)

// slaveAnswer is one slave as JSON, as the API answers it.
type slaveAnswer struct {
	Slave client.Slave `json:"slave"`
}

func (p *program) slavesDrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "drain NAME",
		Short: "give a slave no more tasks",
		Long: `Give a slave no more tasks, until it is undrained. What it has goes on. It stays
drained when it restarts, and when it is lost and comes back.`,
		Example: `  muster slaves drain slave-2`,
		Args:    takesNamed("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeSlave(cmd, "is drained and gets no more tasks", func(ctx context.Context, c *client.Client) (client.Slave, error) {
				return c.DrainSlave(ctx, args[0])
			})
		},
	}
}

func (p *program) slavesUndrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "undrain NAME",
		Short:   "give a slave tasks again",
		Example: `  muster slaves undrain slave-2`,
		Args:    takesNamed("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeSlave(cmd, "is not drained any more", func(ctx context.Context, c *client.Client) (client.Slave, error) {
				return c.UndrainSlave(ctx, args[0])
			})
		},
	}
}

func (p *program) slavesResizeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resize NAME SLOTS",
		Short: "change how many tasks a slave runs at once",
		Long: `Change how many tasks a slave runs at once, while it runs. What it has goes on; with
more of it than slots it gets nothing until there is room. When the slave starts anew
it has the slots of its own settings again.`,
		Example: `  muster slaves resize slave-2 8`,
		Args:    takesNamed("NAME", "SLOTS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			slots, err := strconv.Atoi(args[1])
			if err != nil || slots < 1 {
				return usagef("%q is not a number of slots; a slave has at least 1", args[1])
			}
			return p.changeSlave(cmd, "has "+strconv.Itoa(slots)+" slots", func(ctx context.Context, c *client.Client) (client.Slave, error) {
				return c.ResizeSlave(ctx, args[0], slots)
			})
		},
	}
}

func (p *program) slavesRemoveCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "forget a slave",
		Long: `Forget a slave: its name and its place in the order. A slave that still runs registers
again, as a new one; stop it first. While it has tasks this is refused; with --force
they are given up.`,
		Example: `  muster slaves remove slave-2`,
		Args:    takesNamed("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeSlave(cmd, "was removed", func(ctx context.Context, c *client.Client) (client.Slave, error) {
				return c.RemoveSlave(ctx, args[0], force)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "give up the tasks that it has")
	return cmd
}

func (p *program) changeSlave(cmd *cobra.Command, done string, change func(context.Context, *client.Client) (client.Slave, error)) error {
	return p.ask(cmd, p.patience, func(ctx context.Context, c *client.Client) error {
		s, err := change(ctx, c)
		if err != nil {
			return err
		}
		return p.print(slaveAnswer{s}, func() error { return p.line("Slave " + plain(s.Name) + " " + done + ".") })
	})
}
