package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"muster/api/client"
)

// maxExport bounds an export; masters cut it off a little earlier.
const maxExport = 35 * time.Minute

func (p *program) tasksExportCommand() *cobra.Command {
	var filter filterFlags
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "write tasks as JSON lines",
		Long: `Write tasks as JSON lines, one task a line, as they were at one moment, to a file
or to stdout.

The exit code is 0 only if all tasks were written. A file gets its name only
then; until then, and if the export is cut short, what was there stays.`,
		Example: `  muster tasks export tasks.jsonl
  muster tasks export --status done --finished-after 2026-01-02T15:00:00Z | jq .result`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("%q writes to one file, but got %q", cmd.CommandPath(), args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := filter.options(cmd)
			if err != nil {
				return err
			}
			return p.ask(cmd, maxExport, func(ctx context.Context, c *client.Client) error {
				if len(args) == 0 || args[0] == "-" {
					return p.exportToStdout(ctx, c, opts)
				}
				return p.exportToFile(ctx, c, opts, args[0])
			})
		},
	}
	filter.add(cmd)
	return cmd
}

func (p *program) exportToStdout(ctx context.Context, c *client.Client, opts client.ListOptions) error {
	if closed(p.stdout) {
		return errors.New("standard output is closed: nothing was written; name a file, or say >/dev/null")
	}
	show := isTerminal(p.stderr) && !isTerminal(p.stdout)
	if _, err := p.export(ctx, c, opts, p.stdout, show); err != nil {
		return fmt.Errorf("what was written is not all: %w", err)
	}
	return nil
}

// exportToFile writes to a file that gets its name when it is whole.
func (p *program) exportToFile(ctx context.Context, c *client.Client, opts client.ListOptions, name string) (err error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return usagef("%s is not a file; without FILE the tasks go to stdout", name)
	}
	part, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.part")
	if err != nil {
		return fmt.Errorf("make a file beside %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = part.Close()           // it may be closed
			_ = os.Remove(part.Name()) // its name says what it is
		}
	}()
	done, err := p.export(ctx, c, opts, part, isTerminal(p.stderr))
	if err != nil {
		return fmt.Errorf("%s was not written: %w", name, err)
	}
	if err := part.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", part.Name(), err)
	}
	if err := part.Close(); err != nil {
		return fmt.Errorf("write %s: %w", part.Name(), err)
	}
	if err := os.Rename(part.Name(), name); err != nil {
		return fmt.Errorf("give the export its name: %w", err)
	}
	told := exportAnswer{File: name, Tasks: done.Tasks, Index: done.Index}
	return p.print(told, func() error {
		return p.line(fmt.Sprintf("Wrote %d tasks to %s, as of index %d.", told.Tasks, plain(name), told.Index))
	})
}

// exportAnswer is what an export to a file tells.
type exportAnswer struct {
	File  string `json:"file"`
	Tasks uint64 `json:"tasks"`
	Index uint64 `json:"index"`
}

// export writes lines, and, if asked to, shows on stderr how far it is.
func (p *program) export(ctx context.Context, c *client.Client, opts client.ListOptions, to io.Writer, show bool) (client.Exported, error) {
	lines := bufio.NewWriter(to)
	enc := json.NewEncoder(lines)
	enc.SetEscapeHTML(false) // expressions have < and >
	progress := newProgress(p.stderr, show)
	done, err := c.Export(ctx, opts, func(t client.Task) error {
		progress.step()
		return enc.Encode(t) //nolint:wrapcheck // the client says which task
	})
	progress.end()
	flushed := lines.Flush() // also what came before a cut
	if err != nil {
		return done, err
	}
	if flushed != nil {
		return done, fmt.Errorf("write the tasks: %w", flushed)
	}
	return done, nil
}

// progress shows a number that grows.
type progress struct {
	to    io.Writer // nil: nowhere
	tasks uint64
	shown time.Time
}

func newProgress(to io.Writer, show bool) *progress {
	if !show {
		return &progress{}
	}
	return &progress{to: to, shown: time.Now()}
}

// step counts a task; what is shown changes a few times a second.
func (g *progress) step() {
	g.tasks++
	if g.to != nil && time.Since(g.shown) > time.Second/4 {
		g.shown = time.Now()
		fmt.Fprintf(g.to, "\r%d tasks", g.tasks)
	}
}

func (g *progress) end() {
	if g.to != nil {
		fmt.Fprintf(g.to, "\r%d tasks\n", g.tasks)
	}
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
