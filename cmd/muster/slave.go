package main

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/cmd/app"
)

// slaveSettings are the flags of muster slave, and what becomes of them.
type slaveSettings struct {
	cfg     app.SlaveConfig
	masters []string
	labels  []string
}

func (p *program) slaveCommand() *cobra.Command {
	s := &p.slave
	cmd := &cobra.Command{
		Use:   "slave --name NAME [--slots N] --masters URL,…",
		Short: "run a slave that evaluates expressions",
		Long: `Run a slave: it registers with the masters and evaluates expressions for them.

On SIGINT, SIGTERM or SIGHUP it takes nothing new, finishes what it has, reports it
and leaves; a second SIGINT or SIGTERM ends it at once.`,
		Example: `  muster slave --name slave-1 --listen 10.0.0.11:9101 --slots 4 --masters http://10.0.0.1:8101,http://10.0.0.2:8101
  muster slave --name slave-2 --listen 10.0.0.12:9101 --label disk=ssd --label zone=eu-1 --masters http://10.0.0.1:8101`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := s.check(cmd, "")
			if err != nil { // again, with advice that fits this machine
				_, err = s.check(cmd, p.look().suggestion(cmd.Context()))
				return err
			}
			cfg.Version = version()
			cfg.Logger = p.stay()
			told := noteSignal(cmd.Context(), cfg.Logger)
			defer told()
			return app.RunSlave(cmd.Context(), cfg, nil) // it logs by itself that it listens
		},
	}
	s.define(cmd)
	return cmd
}

func (s *slaveSettings) define(cmd *cobra.Command) {
	cfg, flags := &s.cfg, cmd.Flags()
	flags.StringVar(&cfg.Name, "name", "", "the slave's name, like slave-1")
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:9101", "HOST:PORT to listen on for the leader")
	flags.StringVar(&cfg.Advertise, "advertise", "", "base URL that masters call (default: http:// and --listen)")
	flags.IntVar(&cfg.Slots, "slots", 1, "tasks at once")
	flags.StringSliceVar(&s.labels, "label", nil, "labels that tasks can require, as NAME=VALUE, separated by commas; may be given several times")
	flags.StringSliceVar(&s.masters, "masters", []string{"http://127.0.0.1:8101"}, "API URLs of masters, separated by commas; one that answers is enough")
	flags.DurationVar(&cfg.DrainTimeout, "drain-timeout", 30*time.Second, "how long to finish tasks after a signal")
}

// check returns the configuration that the flags of cmd make, or every mistake in
// them; see check of masterSettings.
func (s *slaveSettings) check(cmd *cobra.Command, here string) (app.SlaveConfig, error) {
	cfg := s.cfg
	var mastersErr, slots, labels error
	cfg.Masters, mastersErr = mastersURLs("masters", s.masters)
	if cfg.Slots < 1 || cfg.Slots > app.MaxSlots {
		slots = wrongf("slots", "%d: a slave needs at least 1, and can have %d", cfg.Slots, app.MaxSlots)
	}
	list, err := parseLabels("--label", s.labels)
	if err != nil {
		labels = &exitError{exitUsage, &settingError{key: "label", err: errors.New(strings.TrimPrefix(err.Error(), "--label ")), said: err.Error()}}
	}
	cfg.Labels = make(map[string]string, len(list))
	for _, l := range list {
		cfg.Labels[l.Name] = l.Value
	}
	return cfg, errors.Join(
		needed(cmd, "name", "listen", "masters"),
		nameOf("name", cfg.Name),
		mastersErr, slots, labels,
		aboveZero("drain-timeout", cfg.DrainTimeout),
		listenAddress("listen", cfg.Listen),
		advertisedURL("advertise", cfg.Advertise, "listen", cfg.Listen, here),
	)
}
