package main

import (
	"context"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) mastersCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "masters", Short: "show and change the masters (muster master runs one)"})
	cmd.AddCommand(p.mastersListCommand(), p.mastersRemoveCommand(), p.mastersTransferCommand())
	return cmd
}

// message is an answer of a sentence, as JSON.
type message struct {
	Message string `json:"message"`
}

// changeMasters runs a change of the membership and prints what it came to.
func (p *program) changeMasters(cmd *cobra.Command, change func(ctx context.Context, c *client.Client) (string, error)) error {
	return p.ask(cmd, p.patience, func(ctx context.Context, c *client.Client) error {
		text, err := change(ctx, c)
		if err != nil {
			return err
		}
		return p.print(message{text}, func() error { return p.line(plain(text)) })
	})
}
