package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"muster/cmd/heap"
)

// untilSignal returns a context that the first SIGINT, SIGTERM or SIGHUP ends: every
// command then ends gracefully, a slave drains, a leader hands over. The second
// SIGINT or SIGTERM ends the process at once.
//
// A SIGHUP never does that, however many come: when a terminal closes, the kernel
// and the shell both send one, and some who send SIGTERM send a SIGHUP behind it.
// What was started under nohup does not hear of it at all. Nothing is read again for
// a SIGHUP: there is nothing that could change while a process runs.
//
// Windows' Ctrl-C and Ctrl-Break arrive as SIGINT, the end of the console, of the
// session and of the machine as SIGTERM. Of other signals, SIGQUIT and SIGABRT end
// the process with the stacks of all goroutines, and SIGUSR1 and SIGUSR2 do nothing,
// as Go has it; SIGTSTP and SIGSTOP freeze it.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	var listening sync.WaitGroup
	over := make(chan struct{})
	listening.Go(func() {
		for {
			select {
			case s := <-signals:
				cancel(&signalError{s})
				if s != syscall.SIGHUP {
					signal.Reset(os.Interrupt, syscall.SIGTERM) // the next one ends the process
				}
			case <-over:
				return
			}
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		close(over)
		listening.Wait()
		cancel(nil)
	}
}

// signalError is why a context ended that a signal has ended.
type signalError struct{ signal os.Signal }

// Error names the signal.
func (e *signalError) Error() string { return fmt.Sprintf("got the signal %q", e.signal) }

// Is reports that the context was cancelled: who looks for that need not know why.
func (*signalError) Is(target error) bool { return target == context.Canceled }

// noteSignal tells the log which signal ends a process, as soon as it comes. The
// function that it returns is called at the end, and waits until that is told.
func noteSignal(ctx context.Context, log *slog.Logger) (told func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		if got, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
			log.Info("ending", slog.String("signal", got.signal.String()))
		}
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// resident prepares the process as a whole for a command that stays.
func resident(log *slog.Logger) {
	// Go ends a process that writes to a stdout or a stderr which nobody reads any
	// more, unless somebody listens for SIGPIPE. To ignore it would be inherited by
	// children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// What libraries log by themselves, as net/http does, must not wait for stderr.
	slog.SetDefault(log)
	heap.Tune(memoryLimit(os.ReadFile), os.Getenv) // for as long as the process lives
}
