package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Run shows the demo and returns when it is over. An error of the story names
// what was wrong and where the logs are.
func Run(ctx context.Context, cfg Config) (err error) {
	// A pipe that nobody reads any more ends the demo like any other end: with its
	// processes.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGPIPE)
	defer stop()
	program, err := cfg.executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "muster-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() {
		if err == nil || ctx.Err() != nil {
			err = errors.Join(err, os.RemoveAll(dir))
			return
		}
		err = fmt.Errorf("%w\nthe logs and the data are in %s", err, dir)
	}()
	if cfg.scripted() {
		return tellStory(ctx, cfg, program, dir)
	}
	return letPlay(ctx, cfg, program, dir)
}
