package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"muster/cmd/app"
)

func (p *program) slaveCommand() *cobra.Command {
	var cfg app.SlaveConfig
	var masters, labels []string
	cmd := &cobra.Command{
		Use:   "slave --name NAME [--slots N] --masters URL,…",
		Short: "run a slave that evaluates expressions",
		Long: `Run a slave: it registers with the masters and evaluates expressions for them.

On SIGINT or SIGTERM it takes nothing new, finishes what it has, reports it and
leaves; a second signal ends it at once.`,
		Example: `  muster slave --name slave-1 --listen 10.0.0.11:9101 --slots 4 --masters http://10.0.0.1:8101,http://10.0.0.2:8101
  muster slave --name slave-2 --listen 10.0.0.12:9101 --label disk=ssd --label zone=eu-1 --masters http://10.0.0.1:8101`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := required(cmd, "name", "listen", "masters")
			if err != nil {
				return err
			}
			if cfg.Masters, err = baseURLs("--masters", masters); err != nil {
				return err
			}
			if cfg.Slots < 1 {
				return usagef("--slots %d: a slave needs at least 1", cfg.Slots)
			}
			if cfg.DrainTimeout <= 0 {
				return usagef("--drain-timeout %s must be above 0", cfg.DrainTimeout)
			}
			err = errors.Join(
				listenAddress("listen", cfg.Listen),
				advertisedURL("advertise", cfg.Advertise, "listen", cfg.Listen),
			)
			if err != nil {
				return err
			}
			list, err := parseLabels("--label", labels)
			if err != nil {
				return err
			}
			cfg.Labels = make(map[string]string, len(list))
			for _, l := range list {
				cfg.Labels[l.Name] = l.Value
			}
			cfg.Version = version()
			cfg.Logger = p.logs.logger(p.stderr)
			return app.RunSlave(cmd.Context(), cfg, nil) // it logs by itself that it listens
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Name, "name", "", "the slave's name, like slave-1")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:9101", "HOST:PORT to listen on for the leader")
	flags.StringVar(&cfg.Advertise, "advertise", "", "base URL that masters call (default: http:// and --listen)")
	flags.IntVar(&cfg.Slots, "slots", 1, "tasks at once")
	flags.StringSliceVar(&labels, "label", nil, "labels that tasks can require, as NAME=VALUE, separated by commas; may be given several times")
	flags.StringSliceVar(&masters, "masters", []string{"http://127.0.0.1:8101"}, "API URLs of masters, separated by commas; one that answers is enough")
	flags.DurationVar(&cfg.DrainTimeout, "drain-timeout", 30*time.Second, "how long to finish tasks after a signal")
	return cmd
}
