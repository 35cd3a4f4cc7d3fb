package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"

	"muster/api/client"
	"muster/slave"
	"muster/slave/evaluate"
	"muster/task"
)

// EvaluateCommand is the argument with which this executable becomes the child
// process that evaluates expressions.
const EvaluateCommand = "evaluate-child"

// RunSlave runs a slave that evaluates expressions until it fails, or until ctx
// ends: then it drains, at most cfg.DrainTimeout, reports, and says goodbye.
// ready, if not nil, is called once the slave listens, with its base URL.
func RunSlave(ctx context.Context, cfg SlaveConfig, ready func(url string)) (err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return err
	}
	kind, closeEvaluator, err := cfg.evaluator()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeEvaluator()) }()

	listener, err := cfg.Network.listen(ctx, cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s (--listen): %w", cfg.Listen, err)
	}
	httpClient := cfg.Network.client()
	defer httpClient.CloseIdleConnections()
	masters, err := client.New(client.Config{Addresses: cfg.Masters, HTTPClient: httpClient, Logger: cfg.Logger})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	s, err := slave.New(slave.Config{
		Name: cfg.Name, Listener: listener, Advertise: cfg.Advertise, Slots: cfg.Slots,
		Kinds:  []slave.Kind{kind},
		Labels: cfg.Labels, Version: cfg.Version,
		Masters: masters, DrainTimeout: cfg.DrainTimeout, Listening: ready, Logger: cfg.Logger,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return s.Run(ctx)
}

// evaluator returns the kind of tasks whose expressions are computed, and what ends it.
func (c SlaveConfig) evaluator() (kind slave.Kind, end func() error, err error) {
	kind = slave.Kind{Name: task.KindExpression, Idempotent: true, Handle: c.Evaluate}
	if c.Evaluate != nil {
		return kind, func() error { return nil }, nil
	}
	command := c.EvaluateCommand
	if len(command) == 0 {
		self, executableErr := os.Executable()
		if executableErr != nil {
			return kind, nil, fmt.Errorf("find this executable, to start it as %s: %w", EvaluateCommand, executableErr)
		}
		if runtime.GOOS == "linux" {
			// This very file, also when an upgrade has put another one in its place: that
			// may be of another version, and systemd lets only what was there be executed.
			self = "/proc/self/exe"
		}
		command = []string{self, EvaluateCommand}
	}
	pool, err := evaluate.NewPool(evaluate.PoolConfig{Command: command, Logger: c.Logger})
	if err != nil {
		return kind, nil, fmt.Errorf("start the processes that evaluate expressions: %w", err)
	}
	kind.Begin = pool.Begin
	return kind, pool.Close, nil
}
