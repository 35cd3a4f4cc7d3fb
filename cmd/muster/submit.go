package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/api/client"
)

// defaultWait is what --wait means without a duration.
const defaultWait = 30 * time.Second

func (p *program) submitCommand() *cobra.Command {
	var s submission
	cmd := &cobra.Command{
		Use:   "submit EXPRESSION [-p NAME=VALUE]… [--wait [30s]] | submit -f FILE",
		Short: "submit a task, or a file of them",
		Long: `Submit an expression as a task, and say which slave got it.

A parameter is a number if it looks like one, a boolean if it is true or false,
and otherwise a string; -p 'x="4"' makes the string 4.

An expression that begins with - goes after --.

With -f it submits a file with a task on each line, in JSON as the API takes it; they
wait in the queue when no slot is free. Repeating the command with the same file
submits only what is missing.`,
		Example: `  muster submit '2 + 3*x' -p x=4
  muster submit 'sleep(7)' --wait
  muster submit 'factorial(20)' --key order-4711 --wait 1m -o json
  muster submit -- '-2 ** 2'
  muster submit 'fib(80)' --when-full queue --priority 5
  muster submit 'fib(80)' --not-before 90s --deadline 10m
  muster submit 'fib(90)' --require gpu=yes --label team=maths
  muster submit -f tasks.jsonl`,
		Args: s.args,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.submit(cmd, s) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&s.parameters, "parameter", "p", nil, "a parameter, as NAME=VALUE; may be given several times")
	flags.StringArrayVar(&s.labels, "label", nil, "a label of the task, as NAME=VALUE, that lists can select by; may be given several times")
	flags.StringArrayVar(&s.requires, "require", nil, "a label that the slave must have, as NAME=VALUE; may be given several times")
	flags.DurationVar(&s.wait, "wait", 0, "wait for the result, so long (without a duration 30s)")
	flags.Lookup("wait").NoOptDefVal = defaultWait.String()
	flags.StringVar(&s.key, "key", "", "Idempotency-Key: the same key never makes a second task")
	flags.BoolVar(&s.explain, "explain", false, "show which slaves were asked, and what they answered")
	flags.DurationVar(&s.timeout, "timeout", 0, "limit of one execution (default: the master's, 5m)")
	flags.StringVarP(&s.file, "file", "f", "", "submit the tasks of this file, one a line; - is standard input")
	flags.IntVar(&s.priority, "priority", 0, "of the tasks that wait, the higher goes first: 0 to 9")
	flags.Var(&s.whenFull, "when-full", "without a free slot: reject or queue it (default: the master's choice; with -f: queue)")
	complete(cmd, "when-full", whenFullWords[:]...)
	flags.StringVar(&s.notBefore, "not-before", "", "don't start it earlier: a time (2026-11-24T06:00:00Z) or a while from now (90s)")
	flags.StringVar(&s.deadline, "deadline", "", "end it as expired if it is not done by then: a time or a while from now")
	flags.StringVar(&s.backoff, "backoff", "", "the wait before a second try; it doubles with every further one (default: none)")
	flags.Uint32Var(&s.maxTries, "max-tries", 0, "how often an execution may begin (default: the master's, 3)")
	return cmd
}

// submission is what the command line asks for.
type submission struct {
	expression string
	parameters []string
	labels     []string
	requires   []string
	wait       time.Duration
	key        string
	explain    bool
	timeout    time.Duration
	maxTries   uint32
	file       string
	priority   int
	notBefore  string
	deadline   string
	backoff    string
	whenFull   fullMode
}

// args takes the expression. The duration of "--wait 30s" arrives as an argument
// too, because it may be left out; no expression looks like one.
func (s *submission) args(cmd *cobra.Command, args []string) error {
	if s.file != "" {
		return errors.Join(takes()(cmd, args), withFile(cmd))
	}
	if cmd.Flags().Changed("wait") && len(args) == 2 {
		for i, a := range args {
			if d, err := time.ParseDuration(a); err == nil && d != 0 {
				s.wait = d
				args = []string{args[1-i]}
				break
			}
		}
	}
	if err := takes("EXPRESSION")(cmd, args); err != nil {
		return err
	}
	s.expression = args[0]
	return nil
}

// withFile refuses the flags that say something of one task, if they were typed: they
// would have no effect. The lines of a file say it.
func withFile(cmd *cobra.Command) error {
	var wrong []error
	for name, instead := range map[string]string{
		"explain": "submit the task alone to see who was asked for it", "wait": "muster tasks wait does it for each",
		"key": "a line has its idempotency_key", "parameter": "a line has its parameters", "label": "a line has its labels", "require": "a line has its requires",
		"timeout": "a line has its timeout_ms", "priority": "a line has its priority", "not-before": "a line has its not_before", "deadline": "a line has its deadline",
		"backoff": "a line has its retry", "max-tries": "a line has its max_tries",
	} {
		if cmd.Flags().Changed(name) {
			wrong = append(wrong, usagef("--%s is for one task, not for a file of them; %s", name, instead))
		}
	}
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(wrong...)
}

func (p *program) submit(cmd *cobra.Command, s submission) error {
	if s.wait < 0 || s.timeout < 0 {
		return usagef("--wait and --timeout can't be negative")
	}
	if err := filled(cmd, "key", "timeout", "max-tries", "not-before", "deadline", "backoff", "file"); err != nil {
		return err
	}
	if s.file != "" {
		if s.whenFull == "" {
			s.whenFull = fullQueue
		}
		return p.submitFile(cmd, s.file, string(s.whenFull))
	}
	parameters, err := parseParameters(s.parameters)
	if err != nil {
		return err
	}
	labels, err := parseLabels("--label", s.labels)
	if err != nil {
		return err
	}
	requires, err := parseLabels("--require", s.requires)
	if err != nil {
		return err
	}
	if s.timeout > 0 && s.timeout < time.Millisecond {
		return usagef("--timeout %s is below 1ms", s.timeout)
	}
	what := client.Submission{
		Expression: s.expression, Parameters: parameters, Labels: labels, Requires: requires,
		MaxTries: s.maxTries, TimeoutMS: s.timeout.Milliseconds(), Priority: s.priority, WhenFull: string(s.whenFull),
		NotBefore: s.notBefore, Deadline: s.deadline, Retry: client.Retry{Backoff: s.backoff},
	}
	if s.key == "" {
		s.key = rand.Text()
	}
	if s.key, err = client.CleanKey(s.key); err != nil {
		return usagef("--key %w", err)
	}
	p.key = s.key
	return p.ask(cmd, p.patience+s.wait, func(ctx context.Context, c *client.Client) error {
		submitting, cancel := context.WithTimeout(ctx, p.patience)
		defer cancel()
		answer, err := c.Submit(submitting, what, client.SubmitOptions{Key: s.key, Explain: s.explain})
		if refusal, ok := errors.AsType[*client.Error](err); ok && s.explain && exitCode(err) == exitCapacity {
			if failed := p.print(explanationOf(refusal), func() error { return p.printAsked(refusal.Asked) }); failed != nil {
				return errors.Join(err, failed)
			}
		}
		if err != nil {
			return err
		}
		var waited error
		if s.wait > 0 {
			waited = p.await(ctx, c, s.wait, &answer.Task)
		}
		if err := p.print(answer, func() error { return p.printSubmitted(answer, s) }); err != nil {
			return err
		}
		return waited
	})
}

func (p *program) printSubmitted(answer client.Submitted, s submission) error {
	if s.explain {
		if err := p.printAsked(answer.Asked); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.stdout, "%s\n%s\n", plain(answer.Message), sentence(&answer.Task))
	return err
}

// explanation is why a task was refused, as JSON: what the API answers.
type explanation struct {
	Error string         `json:"error"`
	Code  client.Code    `json:"code"`
	Slots *int           `json:"slots,omitempty"` // with full_capacity
	Busy  *int           `json:"busy,omitempty"`  // with full_capacity
	Asked []client.Asked `json:"asked"`
}

func explanationOf(e *client.Error) explanation {
	out := explanation{Error: e.Message, Code: e.Code, Asked: e.Asked}
	if e.Code == client.CodeFullCapacity {
		out.Slots, out.Busy = &e.Slots, &e.Busy
	}
	if out.Asked == nil {
		out.Asked = []client.Asked{} // not null
	}
	return out
}

func (p *program) printAsked(asked []client.Asked) error {
	if len(asked) == 0 {
		return p.line("No slave was asked.")
	}
	g := newGrid("slave", "answer", "from")
	for _, a := range asked {
		g.add(a.Slave, orSilence(a), a.From)
	}
	return g.print(p)
}

func orSilence(a client.Asked) string {
	switch {
	case a.Answer != "":
		return a.Answer
	case a.Why != "":
		return "(not asked: it " + a.Why + ")"
	case a.From == "books":
		return "(not asked)"
	default:
		return "(silence)"
	}
}

// await waits for a task to be done, at most so long, and brings it up to date.
// It returns how the task ended, as an error with an exit code.
func (p *program) await(ctx context.Context, c *client.Client, atMost time.Duration, t *client.Task) error {
	waiting, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	last, err := c.Wait(waiting, t.ID)
	if last.ID == t.ID {
		*t = last
	}
	switch {
	case err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return exitf(exitWaitEnded, "task %d is not done after %s; it goes on: muster tasks wait %d", t.ID, atMost, t.ID)
	case err != nil:
		return fmt.Errorf("wait for task %d: %w", t.ID, err)
	case t.Outcome != client.Succeeded:
		return exitf(exitTaskFailed, "task %d %s: %s", t.ID, t.Outcome, plain(or(t.Error)))
	default:
		return nil
	}
}
