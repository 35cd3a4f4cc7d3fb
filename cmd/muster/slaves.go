package main

import "github.com/spf13/cobra"

func (p *program) slavesCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "slaves", Short: "show and change slaves (muster slave runs one)"})
	cmd.AddCommand(p.slavesListCommand(), p.slavesDrainCommand(), p.slavesUndrainCommand(), p.slavesResizeCommand(), p.slavesRemoveCommand())
	return cmd
}
