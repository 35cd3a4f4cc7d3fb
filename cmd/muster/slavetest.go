package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/cmd/slavetest"
)

func (p *program) slaveTestCommand() *cobra.Command {
	cfg := slavetest.Config{}
	cmd := &cobra.Command{
		Use:   "slave-test URL [-- SLAVE COMMAND…]",
		Short: "hold a slave, in any language, against the slave protocol",
		Long: `Hold a slave, in any language, against the slave protocol (docs/slave-protocol.md).

The test plays the masters: the slave must be given the address of --listen as
its master, and must be reachable at URL. It tries one rule after the other and
prints what it saw. With the slave's command after -- it starts the slave itself,
and also tries its end and its next start.

Exits with 0 if no rule failed, and with 1 if one did.`,
		Example: `  muster slave-test http://127.0.0.1:9101 --listen 127.0.0.1:8200 -- \
    muster slave --name slave-1 --listen 127.0.0.1:9101 --slots 2 --masters http://127.0.0.1:8200`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				args = args[:dash]
			}
			return takes("URL")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			urls, err := baseURLs("URL", args[:1])
			if err != nil {
				return err
			}
			if err := listenAddress("listen", cfg.Listen); err != nil {
				return err
			}
			if err := errors.Join(filled(cmd, "kind"), aboveZero("long", cfg.LongFor), aboveZero("register-within", cfg.Register),
				aboveZero("patience", cfg.Patience), aboveZero("quiet", cfg.Quiet)); err != nil {
				return err
			}
			cfg.URL = urls[0]
			if command := args[1:]; len(command) > 0 {
				cfg.Start = slavetest.Command(command, p.stderr)
			}
			return p.testSlave(cmd, cfg)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Listen, "listen", "127.0.0.1:8200", "HOST:PORT at which the slave finds its master: this test")
	flags.StringVar(&cfg.Kind, "kind", "expression", "the kind of the tasks to give it")
	flags.StringVar(&cfg.Short.Expression, "expression", "2 + 3 * x", "the expression of a task that is done at once")
	flags.StringVar(&cfg.Short.Parameters, "parameters", `{"x": 4}`, "its parameters, a JSON object")
	flags.StringVar(&cfg.Want, "want", "", "the result of that task (default: any)")
	flags.StringVar(&cfg.Long.Expression, "long-expression", "sleep(3)", "the expression of a task that takes --long and can be cancelled")
	flags.StringVar(&cfg.Long.Parameters, "long-parameters", "{}", "its parameters, a JSON object")
	flags.DurationVar(&cfg.LongFor, "long", 3*time.Second, "how long that task takes")
	flags.DurationVar(&cfg.Register, "register-within", time.Minute, "how long to wait for the slave to register")
	flags.DurationVar(&cfg.Patience, "patience", 10*time.Second, "how long to wait for what a slave does at once")
	flags.DurationVar(&cfg.Quiet, "quiet", 3*time.Second, "how long nothing must come where nothing may come")
	return cmd
}

// findings are the answer of a test, for programs.
type findings struct {
	Rules   []slavetest.Line `json:"rules"`
	Passed  int              `json:"passed"`
	Failed  int              `json:"failed"`
	Skipped int              `json:"skipped"`
}

func (p *program) testSlave(cmd *cobra.Command, cfg slavetest.Config) error {
	lines, err := slavetest.Run(cmd.Context(), cfg)
	if err != nil {
		return fmt.Errorf("test the slave at %s: %w", cfg.URL, err)
	}
	f := findings{Rules: lines}
	g := newGrid("rule", "outcome", "seen")
	for _, l := range lines {
		switch l.Outcome {
		case slavetest.Passed:
			f.Passed++
		case slavetest.Failed:
			f.Failed++
		default:
			f.Skipped++
		}
		g.add(l.Rule, l.Outcome, l.Seen)
	}
	if err := printList(p, f, f.Rules, func() error { return g.print(p) }); err != nil {
		return err
	}
	if f.Failed > 0 {
		return exitf(exitFailure, "%d of %d rules failed at the slave at %s; docs/slave-protocol.md has them", f.Failed, len(lines), cfg.URL)
	}
	return nil
}
