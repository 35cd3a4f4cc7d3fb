package main

import "github.com/spf13/cobra"

func (p *program) slavesCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "slaves", Short: "show slaves (muster slave runs one)"})
	cmd.AddCommand(p.slavesListCommand())
	return cmd
}
