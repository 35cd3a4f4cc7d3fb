package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (p *program) initCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "init",
		Short: "write a configuration file for this machine",
		Long: `Write a configuration file for this machine: its name, its addresses and its
cores are found out, and every setting is in the file, with its default and what
it means. "muster config validate" checks the file after a change.`,
	})
	cmd.AddCommand(p.initMasterCommand(), p.initSlaveCommand())
	return cmd
}

// initFlags are those of both commands.
type initFlags struct {
	output    string
	force     bool
	advertise string
	masters   []string
}

func (f *initFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	// The global --output is a format, and a variable for it must not become the
	// name of a file.
	flags.StringVarP(&f.output, "output", "o", "", "file to write (default: standard output); no variable sets it")
	if err := flags.SetAnnotation("output", onlyTyped, []string{"true"}); err != nil {
		panic(fmt.Sprintf("mark --output of %q: %v", cmd.CommandPath(), err)) // it was defined above
	}
	flags.BoolVar(&f.force, "force", false, "replace the file if it is there")
	flags.StringVar(&f.advertise, "advertise", "", "host name or IP by which others reach this machine (default: found out)")
}

func (p *program) initMasterCommand() *cobra.Command {
	var f masterInit
	cmd := &cobra.Command{
		Use:   "master [--masters HOST,… | --bootstrap | --join HOST,…]",
		Short: "write a configuration file for a master",
		Long: `Write a configuration file for a master on this machine.

From the hosts of all masters it makes the list that every one of them is given,
and finds out which of them this machine is. Without --masters, --bootstrap and
--join the file says how to decide.`,
		Example: `  muster init master --masters 10.0.0.1,10.0.0.2,10.0.0.3 --output /etc/muster/master.yaml
  muster init master --masters m1=node-1,m2=node-2,m3=node-3 --id m1
  muster init master --id m1 --bootstrap`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := oneOf(cmd, "bootstrap", "join", "masters"); err != nil {
				return err
			}
			return p.writeInit(cmd.Context(), f.plan, f.initFlags)
		},
	}
	flags := cmd.Flags()
	f.add(cmd)
	flags.StringVar(&f.id, "id", "", "the master's id (default: from --masters, or the host's name)")
	flags.StringVar(&f.data, "data", "", "directory for log and snapshots (default: /var/lib/muster/master, or ./data without the package and not as root)")
	flags.StringSliceVar(&f.masters, "masters", nil, "all founding masters: hosts, ID=HOST, or ID=RAFT-HOST:PORT=API-URL")
	flags.BoolVar(&f.bootstrap, "bootstrap", false, "found a cluster of this one master, which others join")
	flags.StringSliceVar(&f.join, "join", nil, "masters whose cluster to join: hosts or API URLs")
	return cmd
}

func (p *program) initSlaveCommand() *cobra.Command {
	var f slaveInit
	cmd := &cobra.Command{
		Use:   "slave [--masters HOST,…]",
		Short: "write a configuration file for a slave",
		Long: `Write a configuration file for a slave on this machine. It gets a slot for each
core. Whether the masters answer is tried, and said.`,
		Example: `  muster init slave --masters 10.0.0.1,10.0.0.2,10.0.0.3 --output /etc/muster/slave.yaml
  muster init slave --name slave-1 --masters https://muster.example.com`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.writeInit(cmd.Context(), f.plan, f.initFlags)
		},
	}
	flags := cmd.Flags()
	f.add(cmd)
	flags.StringVar(&f.name, "name", "", "the slave's name (default: the host's name)")
	flags.StringSliceVar(&f.masters, "masters", nil, "masters: hosts or API URLs (default: a master on this machine)")
	return cmd
}

// writeInit looks at this machine and writes the file, to stdout if it has no name,
// and tells what was noticed on the way.
func (p *program) writeInit(ctx context.Context, find func(context.Context, machine) (plan, error), f initFlags) error {
	m := p.look()
	pl, err := find(ctx, m)
	if err != nil {
		return err
	}
	text, err := pl.file(m.host)
	if err != nil {
		return err
	}
	if f.output == "" {
		err = p.text(text)
	} else {
		err = createFile(f.output, text, f.force)
	}
	if err != nil {
		return err
	}
	for _, note := range pl.told {
		fmt.Fprintf(p.stderr, "muster: note: %s\n", plain(note))
	}
	if f.output == "" {
		return nil
	}
	name := plain(f.output)
	return p.line(fmt.Sprintf("Wrote %[1]s. Check it with \"muster config validate %[1]s\", start it with \"muster %[2]s --config %[1]s\".", name, pl.role))
}

func (p *program) text(text string) error {
	if _, err := fmt.Fprint(p.stdout, text); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// createFile writes a new file; with force it replaces the content of one, which
// keeps its owner and its mode.
func createFile(name, text string, force bool) error {
	for _, format := range formats {
		if name == format {
			return usagef("--output of init is the file to write, and the file is YAML; write ./%s for a file of that name", format)
		}
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(name, flags, 0o644) //nolint:gosec // it has no secrets
	switch {
	case errors.Is(err, fs.ErrExist):
		return usagef("%s is there already; --force replaces it", name)
	case errors.Is(err, fs.ErrNotExist):
		return usagef("%s can't be written: there is no directory %s; make it first", name, filepath.Dir(name))
	case err != nil:
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = f.WriteString(text)
	if !force { // whatever root's umask is, the service's user reads it
		err = errors.Join(err, f.Chmod(0o644))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// noteListen tells if a port is not free now.
func (pl *plan) noteListen(ctx context.Context, m machine, key, address string) {
	if err := m.listen(ctx, address); err != nil {
		pl.told = append(pl.told, fmt.Sprintf("%s: nobody else can have %s when the %s starts, and now: %v", key, address, pl.role, err))
	}
}

// noteHost writes into the file what is known of the host, and tells if nobody reaches it.
func (pl *plan) noteHost(key string, c choice) {
	pl.notes[key] = append(pl.notes[key], c.notes...)
	if c.alone {
		pl.told = append(pl.told, key+": "+c.notes[0])
	}
}
