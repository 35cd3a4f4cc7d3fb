package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// main ends the process with the exit code of run. The first SIGINT or SIGTERM
// ends it gracefully, the second one at once.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
