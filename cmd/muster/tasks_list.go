package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) tasksListCommand() *cobra.Command {
	var all bool
	var filter filterFlags
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "list tasks, in order of their ids",
		Example: `  muster tasks list --status in_progress
  muster tasks list --outcome failed --order desc --limit 10
  muster tasks list --key order-4711
  muster tasks list --kind expression --finished-after 2026-01-02T15:00:00Z
  muster tasks list --all -o jsonl`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := filter.options(cmd)
			if err != nil {
				return err
			}
			if limit < 1 || limit > maxPage {
				return usagef("--limit %d: it is from 1 to %d; --all goes through all pages", limit, maxPage)
			}
			if err := filled(cmd, "cursor"); err != nil {
				return err
			}
			opts.Limit, opts.Cursor = limit, cursor
			return p.ask(cmd, maxExport, func(ctx context.Context, c *client.Client) error {
				page, err := p.tasks(ctx, c, opts, all)
				if err != nil {
					return err
				}
				return printList(p, page, page.Tasks, func() error { return p.printTasks(page) })
			})
		},
	}
	filter.add(cmd)
	flags := cmd.Flags()
	flags.IntVar(&limit, "limit", 50, "tasks at most")
	flags.StringVar(&cursor, "cursor", "", "where the page before, with the same filters and order, ended")
	flags.BoolVar(&all, "all", false, "all pages")
	return cmd
}

// maxPage is how many tasks the API puts on one page.
const maxPage = 1000

// tasks returns opts.Limit tasks, or all. It goes on where a page is shorter: a
// master bounds pages by bytes, too, and by the tasks that a filter looks at.
func (p *program) tasks(ctx context.Context, c *client.Client, opts client.ListOptions, all bool) (client.TaskPage, error) {
	limit := opts.Limit
	if all {
		opts.Limit = maxPage
	}
	whole, err := p.page(ctx, c, opts)
	for err == nil && whole.Next != "" && (all || len(whole.Tasks) < limit) {
		opts.Cursor = whole.Next
		if !all {
			opts.Limit = limit - len(whole.Tasks)
		}
		var page client.TaskPage
		if page, err = p.page(ctx, c, opts); err == nil {
			page.Tasks = append(whole.Tasks, page.Tasks...)
			whole = page
		}
	}
	return whole, err
}

// page asks for one page, which has its own time-out: a list may have many.
func (p *program) page(ctx context.Context, c *client.Client, opts client.ListOptions) (client.TaskPage, error) {
	ctx, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	return c.Page(ctx, opts)
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
