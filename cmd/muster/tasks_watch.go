package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/api/client"
)

// forEver is how long a watch lasts that nobody bounds.
const forEver = 10 * 365 * 24 * time.Hour

func (p *program) tasksWatchCommand() *cobra.Command {
	w := taskWatch{p: p}
	var filter filterFlags
	cmd := &cobra.Command{
		Use:   "watch [ID]…",
		Short: "show what becomes of tasks, as it happens",
		Long: `Show a line for each change of tasks, as it happens, until it is interrupted. It goes
on when the leader is lost, or the master that it asks: no change is left out, and
none is shown twice.

With --until-done it shows how the named tasks are now, and ends when all are done:
it exits with 5 if one did not succeed, and with 6 if --for ended first.`,
		Example: `  muster tasks watch
  muster tasks watch --status done --kind expression -o jsonl
  muster tasks watch 7 8 --until-done --for 2m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := filter.options(cmd)
			if err != nil {
				return err
			}
			for _, a := range args {
				id, err := taskID(a)
				if err != nil {
					return err
				}
				opts.IDs = append(opts.IDs, id)
			}
			if err := errors.Join(filled(cmd, "after", "for"), w.check(opts)); err != nil {
				return err
			}
			return p.ask(cmd, forEver, func(ctx context.Context, c *client.Client) error { return w.run(ctx, c, opts) })
		},
	}
	filter.add(cmd)
	for _, name := range []string{"order", "min-index", "linearizable"} { // of lists
		_ = cmd.Flags().MarkHidden(name) // they are there
	}
	flags := cmd.Flags()
	flags.StringVar(&w.after, "after", "", "go on after this event: the id of a line of -o jsonl")
	flags.BoolVar(&w.untilDone, "until-done", false, "end when the named tasks are done")
	flags.DurationVar(&w.atMost, "for", 0, "end after so long (default: until it is interrupted)")
	return cmd
}

// taskWatch shows changes of tasks.
type taskWatch struct {
	p         *program
	after     string
	untilDone bool
	atMost    time.Duration

	open   map[uint64]bool // the named tasks that are not done, with untilDone
	failed error           // how the first of them ended that did not succeed
}

func (w *taskWatch) check(opts client.ListOptions) error {
	switch {
	case w.atMost < 0:
		return usagef("--for %s is negative", w.atMost)
	case !w.untilDone:
		return nil
	case len(opts.IDs) == 0:
		return usagef("--until-done needs the ids of the tasks that it waits for")
	case w.after != "" || opts.Status != "" || opts.Outcome != "" || opts.Slave != "" || opts.Kind != "" || opts.Key != "" || len(opts.Labels) > 0:
		return usagef("--until-done goes with ids alone: with other filters a task's end could pass unseen")
	default:
		return nil
	}
}

// run shows changes until it is told to end.
func (w *taskWatch) run(ctx context.Context, c *client.Client, opts client.ListOptions) error {
	if w.atMost > 0 {
		bounded, cancel := context.WithTimeout(ctx, w.atMost)
		defer cancel()
		ctx = bounded
	}
	if err := w.know(ctx, c, opts.IDs); err != nil {
		return err
	}
	watched := client.EventsOptions{After: w.after, Resync: w.untilDone, Types: []string{client.EventTask}, Tasks: opts}
	for e, err := range c.Events(ctx, watched) {
		switch {
		case err != nil && ctx.Err() != nil:
			return w.ended(ctx)
		case err != nil:
			return err
		}
		if err := w.show(e); err != nil {
			return err
		}
		if w.untilDone && len(w.open) == 0 {
			return w.failed
		}
	}
	return nil
}

// know makes sure that a master answers, and with --until-done that the named
// tasks are there: a watch alone would wait for either.
func (w *taskWatch) know(ctx context.Context, c *client.Client, ids []uint64) error {
	asking, cancel := context.WithTimeout(ctx, w.p.patience)
	defer cancel()
	if !w.untilDone {
		_, err := c.Masters(asking)
		return err
	}
	w.open = map[uint64]bool{}
	for _, id := range ids {
		if _, err := c.Task(asking, id, client.ReadOptions{}); err != nil {
			return err
		}
		w.open[id] = true
	}
	return nil
}

// ended is what a watch ends with that was interrupted, or whose time is over.
func (w *taskWatch) ended(ctx context.Context) error {
	if w.untilDone && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return exitf(exitWaitEnded, "%d tasks are not done after %s; they go on", len(w.open), w.atMost)
	}
	return nil
}

// taskEvent is a change as JSON, as the API has it.
type taskEvent struct {
	ID     string       `json:"id,omitempty"`
	Change string       `json:"change"`
	Task   *client.Task `json:"task"`
}

// show prints an event, and takes in that a task is done.
func (w *taskWatch) show(e client.Event) error {
	if e.Name == client.EventReset && !w.untilDone {
		_, err := fmt.Fprintf(w.p.stderr, "muster: %s; this is how things are now\n", plain(e.Reason))
		return err //nolint:wrapcheck // there is nothing to add
	}
	t := e.Task
	if t == nil {
		return nil
	}
	if t.Status == client.TaskDone && w.open[t.ID] {
		delete(w.open, t.ID)
		if t.Outcome != client.Succeeded && w.failed == nil {
			w.failed = exitf(exitTaskFailed, "task %d %s: %s", t.ID, t.Outcome, plain(or(t.Error)))
		}
	}
	return w.p.print(taskEvent{e.ID, e.Change, t}, func() error { return w.p.line(clock(changedAt(e.Change, t)) + "  " + changeSentence(e.Change, t)) })
}

// changedAt is when a task changed, as it shows.
func changedAt(change string, t *client.Task) time.Time {
	switch {
	case !t.FinishedAt.IsZero():
		return t.FinishedAt
	case change == "given_up": // which has no stamp of its own
		return time.Now()
	case !t.StartedAt.IsZero() && t.Status == client.TaskInProgress:
		return t.StartedAt
	default:
		return t.SubmittedAt
	}
}

func changeSentence(change string, t *client.Task) string {
	switch change {
	case "submitted":
		return fmt.Sprintf("Task %d was submitted: %s", t.ID, plain(short(t.Expression, 60)))
	case "given_up":
		return fmt.Sprintf("Task %d was given up by %s, and is pending.", t.ID, plain(t.Slave))
	default:
		return sentence(t)
	}
}
