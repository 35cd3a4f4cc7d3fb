package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) configCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "config",
		Short: "look at configuration files",
	})
	cmd.AddCommand(p.configValidateCommand())
	return cmd
}

func (p *program) configValidateCommand() *cobra.Command {
	var role configRole
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "say everything that is wrong in a configuration file",
		Long: `Say everything that is wrong in the configuration file of a master or a slave,
with the line of each mistake and what to do. Without FILE it checks the one of
--config (MUSTER_CONFIG).

It checks what muster master and muster slave check when they start, with the
MUSTER_… variables that are set here, and then looks at this machine: whether the
advertised address is its own, whether names resolve, whether the data directory
can be used. Nothing is dialled, and nothing stays. Warnings are about what can be
right; they don't fail.

Exits with 0 if nothing is wrong, and with 2 if something is.`,
		Example: `  muster config validate /etc/muster/master.yaml
  muster config validate --role slave muster.yaml -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return takes("FILE")(cmd, args)
			}
			return nil
		},
		// As the root's, but --config is what is checked, and not read for settings.
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := applyEnvironment(cmd, p.env); err != nil {
				return err
			}
			return p.checkShared()
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			path := cmd.Flags().Lookup("config").Value.String()
			if len(args) == 1 {
				path = args[0]
			}
			if path == "" {
				return usagef("FILE is missing: %s", cmd.UseLine())
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return usagef("read the configuration file: %w", err)
			}
			v := validator{path: path, env: p.env, here: p.look()}
			return p.printReport(v.validate(cmd.Context(), text, string(role)))
		},
	}
	cmd.Flags().Var(&role, "role", "master or slave (default: the section in the file)")
	complete(cmd, "role", configRoles[:]...)
	return cmd
}

// report is what config validate answers.
type report struct {
	File     string    `json:"file"`
	Role     string    `json:"role"`
	Name     string    `json:"name"` // the master's id or the slave's name
	Mistakes []finding `json:"mistakes"`
	Warnings []finding `json:"warnings"`
}

// finding is one mistake or warning.
type finding struct {
	Key      string `json:"key,omitempty"`
	Line     int    `json:"line,omitempty"`     // 0: not in the file, or not known
	Variable string `json:"variable,omitempty"` // that the value is from
	Message  string `json:"message"`
}

// text is a finding on one line, as compilers write theirs.
func (f finding) text(file, kind string) string {
	var b strings.Builder
	b.WriteString(file)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	b.WriteString(": ")
	b.WriteString(kind)
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	if f.Variable != "" {
		b.WriteString(f.Variable + " (variable): ")
	}
	b.WriteString(f.Message)
	return plain(b.String())
}

func (p *program) printReport(r report) error {
	err := p.print(r, func() error {
		for _, f := range r.Mistakes {
			fmt.Fprintln(p.stdout, f.text(r.File, ""))
		}
		for _, f := range r.Warnings {
			fmt.Fprintln(p.stdout, f.text(r.File, "warning: "))
		}
		if len(r.Mistakes) > 0 {
			return nil
		}
		return p.line(plain(fmt.Sprintf("%s: fine, for %s %s", r.File, r.Role, r.Name)))
	})
	switch n := len(r.Mistakes); {
	case err != nil:
		return err
	case n == 1:
		return usagef("%s has a mistake", r.File)
	case n > 1:
		return usagef("%s has %d mistakes", r.File, n)
	}
	return nil
}

var configRoles = [...]string{"master", "slave"}

// configRole is a flag.
type configRole string

// String returns the role.
func (r *configRole) String() string { return string(*r) }

// Set takes a role.
func (r *configRole) Set(s string) error { return setWord(r, s, configRoles[:]) }

// Type is what the help shows for the value.
func (r *configRole) Type() string { return "role" }
