package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"muster/api/client"
)

func (p *program) tasksCommand() *cobra.Command {
	cmd := group(&cobra.Command{Use: "tasks", Aliases: []string{"task"}, Short: "show tasks, export them, watch them, wait for them, cancel them"})
	cmd.AddCommand(p.tasksListCommand(), p.tasksExportCommand(), p.tasksGetCommand(), p.tasksWaitCommand(), p.tasksWatchCommand(), p.tasksCancelCommand())
	return cmd
}

// taskAnswer is one task as JSON, as the API answers it.
type taskAnswer struct {
	Task client.Task `json:"task"`
}

func taskID(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, usagef("%q is not a task's id; ids are 1, 2, 3 …", text)
	}
	return id, nil
}

// sentence tells how far a task is.
func sentence(t *client.Task) string {
	switch {
	case t.Status == client.TaskDone && t.Outcome == client.Succeeded:
		return fmt.Sprintf("Task %d is done: %s", t.ID, plain(result(t)))
	case t.Status == client.TaskDone:
		return fmt.Sprintf("Task %d is done, but %s: %s", t.ID, t.Outcome, plain(or(t.Error)))
	case t.Status == client.TaskInProgress:
		return fmt.Sprintf("Task %d is in progress on %s.", t.ID, plain(t.Slave))
	default:
		return fmt.Sprintf("Task %d is %s.", t.ID, statusWords(t))
	}
}

// statusWords is a task's status as people read it.
func statusWords(t *client.Task) string {
	switch {
	case t.Status == client.TaskInProgress:
		return "in progress"
	case t.Status == client.TaskDone && t.Outcome != client.Succeeded:
		return "done, " + string(t.Outcome)
	default:
		return string(t.Status)
	}
}

// result is what a task came to, or why it did not.
func result(t *client.Task) string {
	if t.Result != nil {
		return *t.Result
	}
	return or(t.Error)
}

// took is how long the last attempt took; "-" as long as it is not known.
func took(t *client.Task) string {
	if t.FinishedAt.IsZero() || t.StartedAt.IsZero() {
		return "-"
	}
	return span(t.FinishedAt.Sub(t.StartedAt).Round(time.Millisecond))
}
