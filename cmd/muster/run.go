package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/cmd/logqueue"
)

// program is one run of the command line, with all it may touch.
type program struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	env    []string // as os.Environ gives it
	look   func() machine
	// adopt, if not nil, is what a command that stays does to the process as a whole;
	// see stay.
	adopt func(*slog.Logger)

	lines *logqueue.Queue // takes stderr's place in a command that stays

	// Set before a command runs, from the flags that all share.
	address  []string
	patience time.Duration
	output   format
	logs     logSettings

	key string // of the submit, given or made up: to repeat it with

	// The flags of the two commands that stay; config validate checks files with them.
	master masterSettings
	slave  slaveSettings
}

// run does what the arguments say and returns the exit code. ctx's end is the
// wish to end gracefully.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env []string) int {
	return (&program{stdin: stdin, stdout: stdout, stderr: stderr, env: env, look: thisMachine}).run(ctx, args)
}

func (p *program) run(ctx context.Context, args []string) int {
	defer p.flush()
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		p.complain(cmd, err)
	}
	return exitCode(err)
}

// checkShared checks the settings that all commands share.
func (p *program) checkShared() error { return aboveZero("request-timeout", p.patience) }

func (p *program) rootCommand() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "muster",
		Short: "muster hands tasks to slaves and survives the loss of its master",
		Long: `muster hands tasks to slaves and survives the loss of its master.

Every flag can also be given as a variable (--api-listen is MUSTER_API_LISTEN)
and in the YAML file that --config names (api-listen: …, for all commands or
below the name of one). The command line wins over the environment, the
environment over the file.

Exit codes: 0 ok, 1 error, 2 wrong usage, 3 not found, 4 no leader or no master
reachable, 5 the task failed, 6 the wait ended first, 7 no room now (full capacity,
no slave for the task, a full queue or disk, overload) and nothing was recorded.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.DisableFlagParsing { // cobra's own, for shell completion
				return nil
			}
			if err := applySettings(cmd, p.env); err != nil {
				return err
			}
			return p.checkShared()
		},
	})
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return usagef("%w%s", err, flagHint(cmd, err))
	})

	flags := root.PersistentFlags()
	flags.StringSliceVar(&p.address, "address", []string{"http://127.0.0.1:8101"}, "API URLs of the masters to ask, separated by commas")
	flags.DurationVar(&p.patience, "request-timeout", 5*time.Second, "how long to look for a master that answers")
	flags.String("config", "", "YAML file with settings")
	flags.VarP(&p.output, "output", "o", "table, json or jsonl (one JSON value a line)")
	flags.Var(&p.logs.level, "log-level", "debug, info, warn or error; logs go to stderr")
	flags.Var(&p.logs.format, "log-format", "text or json")
	complete(root, "output", formats[:]...)
	complete(root, "log-level", logLevels[:]...)
	complete(root, "log-format", logFormats[:]...)

	root.AddCommand(
		p.masterCommand(), p.slaveCommand(), p.slaveTestCommand(), p.demoCommand(),
		p.submitCommand(), p.tasksCommand(), p.slavesCommand(), p.mastersCommand(),
		p.statusCommand(), p.healthcheckCommand(), p.versionCommand(), p.evaluateChildCommand(),
		p.initCommand(), p.configCommand(),
	)
	root.AddCommand(p.buildCommands()...)
	return root
}
