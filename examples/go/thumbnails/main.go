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

	"muster/api/client"
	"muster/slave"
	"muster/task"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "thumbnails:", err)
		os.Exit(1) //nolint:gocritic // the deferred stop gives signals back, and the process ends
	}
}

// run runs the slave until ctx ends.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("thumbnails", flag.ContinueOnError)
	name := flags.String("name", "thumbs-1", "the slave's name")
	listen := flags.String("listen", "127.0.0.1:9401", "HOST:PORT to listen on for the leader")
	urls := flags.String("masters", "http://127.0.0.1:8101", "API URLs of masters, separated by commas")
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
		Kinds:  []slave.Kind{{Name: "thumbnail", Idempotent: true, Handle: thumbnail}},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// diskFullError is an error that may pass: it says so with Retryable.
type diskFullError struct{ attempt uint32 }

// Error says what was tried.
func (e diskFullError) Error() string {
	return fmt.Sprintf("write the thumbnail: no space (attempt %d)", e.attempt)
}

// Retryable asks for another execution.
func (diskFullError) Retryable() bool { return true }

// thumbnail takes WIDTHxHEIGHT and returns the size of a picture that fits into 100x100.
func thumbnail(_ context.Context, o task.Order) (task.Value, error) {
	var width, height int
	if _, err := fmt.Sscanf(o.Expression, "%dx%d", &width, &height); err != nil {
		return task.Value{}, fmt.Errorf("%q is not WIDTHxHEIGHT: %w", o.Expression, err)
	}
	switch {
	case width < 0 || height < 0:
		return task.Value{}, errors.New("a picture has no negative side")
	case width == 1 && o.Attempt < 3: // for the example: full for two attempts
		return task.Value{}, diskFullError{o.Attempt}
	}
	steps := width / height // a picture without a height: a panic, which costs this task alone
	if longest := max(width, height); longest > 100 {
		width, height = width*100/longest, height*100/longest
	}
	return task.Value{Type: task.String, Text: fmt.Sprintf("%dx%d in %d steps", width, height, max(steps, 1))}, nil
}
