package main

import (
	"github.com/spf13/cobra"

	"muster/cmd/demo"
)

func (p *program) demoCommand() *cobra.Command {
	cfg := demo.Config{Masters: 3, Slaves: 2}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "watch masters and slaves work, on this machine, and kill some",
		Long: `Start masters and slaves as processes of this machine, in a temporary directory.

In a terminal, single keys kill the leader, kill or freeze others, restart the
dead and submit tasks. Without a terminal, or with --script, it tells a fixed
story of less than a minute, checks it, and exits with 0 only if all of it held.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Masters < 1 || cfg.Masters > demo.MaxMasters || cfg.Slaves < 1 || cfg.Slaves > demo.MaxSlaves {
				return usagef("--masters takes 1 to %d, --slaves 1 to %d", demo.MaxMasters, demo.MaxSlaves)
			}
			if err := cfg.CheckScript(p.stdin, p.stdout); err != nil {
				return usagef("%w", err)
			}
			cfg.Stdin, cfg.Stdout, cfg.Env = p.stdin, p.stdout, p.env
			return demo.Run(cmd.Context(), cfg)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&cfg.Masters, "masters", cfg.Masters, "how many masters")
	flags.IntVar(&cfg.Slaves, "slaves", cfg.Slaves, "how many slaves, of one slot each")
	flags.BoolVar(&cfg.Script, "script", false, "tell the fixed story, and check it")
	return cmd
}
