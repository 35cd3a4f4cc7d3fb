package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/api/client"
)

// filterFlags are the flags of commands that select tasks.
type filterFlags struct {
	status, outcome, order, slave, kind, key string
	ids                                      []uint
	labels                                   []string

	submittedAfter, submittedBefore time.Time
	finishedAfter, finishedBefore   time.Time

	read readFlags
}

func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.status, "status", "", "only tasks that are pending, in_progress or done")
	flags.StringVar(&f.outcome, "outcome", "", "only done tasks that succeeded, failed, cancelled, expired or lost")
	flags.StringVar(&f.slave, "slave", "", "only tasks whose last attempt is this slave's")
	flags.StringVar(&f.kind, "kind", "", "only tasks of this kind")
	flags.StringVar(&f.key, "key", "", "only the task that was submitted with this Idempotency-Key")
	flags.UintSliceVar(&f.ids, "id", nil, "only tasks with these ids, separated by commas")
	flags.StringArrayVar(&f.labels, "label", nil, "only tasks with this label, as NAME=VALUE; may be given several times, all must fit")
	instant(flags, &f.submittedAfter, "submitted-after", "only tasks submitted at this instant or later, as in 2026-01-02T15:04:05Z")
	instant(flags, &f.submittedBefore, "submitted-before", "only tasks submitted before this instant")
	instant(flags, &f.finishedAfter, "finished-after", "only done tasks that finished at this instant or later")
	instant(flags, &f.finishedBefore, "finished-before", "only done tasks that finished before this instant")
	flags.StringVar(&f.order, "order", listOrders[0], "asc: oldest first, desc: newest first")
	f.read.add(cmd)
	complete(cmd, "status", taskStatuses[:]...)
	complete(cmd, "outcome", taskOutcomes[:]...)
	complete(cmd, "order", listOrders[:]...)
}

func instant(flags *pflag.FlagSet, at *time.Time, name, usage string) {
	flags.TimeVar(at, name, time.Time{}, []string{time.RFC3339Nano}, usage)
}

// options are the selection that the flags ask for.
func (f *filterFlags) options(cmd *cobra.Command) (client.ListOptions, error) {
	if err := filled(cmd, "key", "kind", "slave", "status", "outcome", "order"); err != nil {
		return client.ListOptions{}, err
	}
	for _, w := range []struct {
		flag, word string
		words      []string
	}{{"status", f.status, taskStatuses[:]}, {"outcome", f.outcome, taskOutcomes[:]}, {"order", f.order, listOrders[:]}} {
		if err := known(w.flag, w.word, w.words); err != nil {
			return client.ListOptions{}, err
		}
	}
	key := f.key
	if key != "" {
		var err error
		if key, err = client.CleanKey(key); err != nil {
			return client.ListOptions{}, usagef("--key %w", err)
		}
	}
	opts := client.ListOptions{
		ReadOptions: f.read.options(),
		Status:      client.TaskStatus(f.status), Outcome: client.Outcome(f.outcome), Slave: f.slave, Kind: f.kind, Key: key,
		SubmittedAfter: f.submittedAfter, SubmittedBefore: f.submittedBefore,
		FinishedAfter: f.finishedAfter, FinishedBefore: f.finishedBefore,
		Descending: f.order == listOrders[1],
	}
	for _, id := range f.ids {
		if id == 0 {
			return opts, usagef("--id 0 is not a task's id; ids are 1, 2, 3 …")
		}
		opts.IDs = append(opts.IDs, uint64(id))
	}
	labels, err := parseLabels("--label", f.labels)
	opts.Labels = labels
	return opts, err
}

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
