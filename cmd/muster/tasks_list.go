package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) tasksListCommand() *cobra.Command {
	var status, outcome, order string
	var all bool
	var read readFlags
	opts := client.ListOptions{}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "list tasks, in order of their ids",
		Example: `  muster tasks list --status in_progress
  muster tasks list --outcome failed --order desc --limit 10
  muster tasks list --all -o jsonl`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, w := range []struct {
				flag, word string
				words      []string
			}{{"status", status, taskStatuses[:]}, {"outcome", outcome, taskOutcomes[:]}, {"order", order, listOrders[:]}} {
				if err := known(w.flag, w.word, w.words); err != nil {
					return err
				}
			}
			if opts.Limit < 1 || opts.Limit > maxPage {
				return usagef("--limit %d: a page has 1 to %d tasks; --all goes through all pages", opts.Limit, maxPage)
			}
			opts.Status, opts.Outcome = client.TaskStatus(status), client.Outcome(outcome)
			opts.Descending = order == listOrders[1]
			opts.ReadOptions = read.options()
			return p.ask(cmd, p.patience, func(ctx context.Context, c *client.Client) error {
				page, err := p.tasks(ctx, c, opts, all)
				if err != nil {
					return err
				}
				return printList(p, page, page.Tasks, func() error { return p.printTasks(page) })
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&status, "status", "", "only tasks that are pending, in_progress or done")
	flags.StringVar(&outcome, "outcome", "", "only done tasks that succeeded, failed, cancelled, expired or lost")
	flags.StringVar(&opts.Slave, "slave", "", "only tasks whose last attempt is this slave's")
	flags.StringVar(&order, "order", listOrders[0], "asc: oldest first, desc: newest first")
	flags.IntVar(&opts.Limit, "limit", 50, "tasks on a page")
	flags.StringVar(&opts.Cursor, "cursor", "", "where the page before ended")
	flags.BoolVar(&all, "all", false, "all pages")
	read.add(cmd)
	complete(cmd, "status", taskStatuses[:]...)
	complete(cmd, "outcome", taskOutcomes[:]...)
	complete(cmd, "order", listOrders[:]...)
	return cmd
}

// maxPage is how many tasks the API puts on one page.
const maxPage = 1000

var taskStatuses = [...]string{string(client.TaskPending), string(client.TaskInProgress), string(client.TaskDone)}

var taskOutcomes = [...]string{
	string(client.Succeeded), string(client.Failed), string(client.Cancelled), string(client.Expired), string(client.Lost),
}

var listOrders = [...]string{"asc", "desc"}

// known refuses a word that is none of the words; none at all is fine.
func known(flag, word string, words []string) error {
	if word == "" {
		return nil
	}
	var w string
	if err := setWord(&w, word, words); err != nil {
		return usagef("--%s: %w", flag, err)
	}
	return nil
}

// tasks returns one page, or all of them as one.
func (p *program) tasks(ctx context.Context, c *client.Client, opts client.ListOptions, all bool) (client.TaskPage, error) {
	if all {
		opts.Limit = maxPage
	}
	whole, err := c.Page(ctx, opts)
	for err == nil && all && whole.Next != "" {
		opts.Cursor = whole.Next
		var page client.TaskPage
		if page, err = c.Page(ctx, opts); err == nil {
			page.Tasks = append(whole.Tasks, page.Tasks...)
			whole = page
		}
	}
	return whole, err
}

func (p *program) printTasks(page client.TaskPage) error {
	g := newGrid("id", "status", "result", "slave", "tries", "submitted", "took", "expression").right(1, 5)
	for i := range page.Tasks {
		t := &page.Tasks[i]
		g.add(
			strconv.FormatUint(t.ID, 10), statusWords(t), short(result(t), 40), or(t.Slave),
			strconv.FormatUint(uint64(t.Tries), 10), clock(t.SubmittedAt), took(t), short(t.Expression, 40),
		)
	}
	if err := g.print(p); err != nil {
		return err
	}
	n := page.Counts
	_, err := fmt.Fprintf(p.stdout, "\n%d pending, %d in progress, %d done\n", n.Pending, n.InProgress, n.Done)
	if err == nil && page.Next != "" {
		_, err = fmt.Fprintf(p.stdout, "There is more: --cursor %s, or --all\n", plain(page.Next))
	}
	return err
}
