package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"muster/api/client"
	"muster/slave"
	"muster/task"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mailer:", err)
		os.Exit(1) //nolint:gocritic // the deferred stop gives signals back, and the process ends
	}
}

// run runs the slave until ctx ends.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("mailer", flag.ContinueOnError)
	name := flags.String("name", "mailer-1", "the slave's name")
	listen := flags.String("listen", "127.0.0.1:9402", "HOST:PORT to listen on for the leader")
	urls := flags.String("masters", "http://127.0.0.1:8101", "API URLs of masters, separated by commas")
	file := flags.String("outbox", "outbox.txt", "where the letters go")
	takes := flags.Duration("takes", 200*time.Millisecond, "how long a letter takes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	masters, err := client.New(client.Config{Addresses: strings.Split(*urls, ",")})
	if err != nil {
		return err
	}
	defer masters.Close()
	s, err := slave.New(slave.Config{
		Name: *name, Listen: *listen, Slots: 2, Masters: masters,
		Kinds:  []slave.Kind{{Name: "mail", Idempotent: false, Handle: outbox{*file, *takes}.send}},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// outbox is what the handler needs. The handler is its method: there is no global state.
type outbox struct {
	file  string
	takes time.Duration // to send one letter
}

// send takes an address and adds a letter to the outbox.
func (b outbox) send(ctx context.Context, o task.Order) (task.Value, error) {
	if !strings.Contains(o.Expression, "@") {
		return task.Value{}, fmt.Errorf("%q is not the address of a person", o.Expression) // fatal
	}
	select {
	case <-time.After(b.takes):
	case <-ctx.Done():
		return task.Value{}, fmt.Errorf("send to %s: %w", o.Expression, context.Cause(ctx)) // cancelled, timed out or stopped
	}
	f, err := os.OpenFile(b.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return task.Value{}, err
	}
	_, err = fmt.Fprintln(f, o.Expression)
	if err = errors.Join(err, f.Close()); err != nil {
		return task.Value{}, err
	}
	return task.Value{Type: task.String, Text: "sent"}, nil
}
