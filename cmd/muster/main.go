package main

import (
	"context"
	"os"
)

// main ends the process with the exit code of run.
func main() {
	ctx, stop := untilSignal(context.Background())
	p := &program{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: os.Environ(), look: thisMachine, adopt: resident}
	code := p.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
