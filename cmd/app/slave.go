package app

import (
	"context"
	"errors"
	"fmt"
	"os"

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
	command := cfg.EvaluateCommand
	if len(command) == 0 {
		self, executableErr := os.Executable()
		if executableErr != nil {
			return fmt.Errorf("find this executable, to start it as %s: %w", EvaluateCommand, executableErr)
		}
		command = []string{self, EvaluateCommand}
	}
	pool, err := evaluate.NewPool(evaluate.PoolConfig{Command: command, Logger: cfg.Logger})
	if err != nil {
		return fmt.Errorf("start the processes that evaluate expressions: %w", err)
	}
	defer func() { err = errors.Join(err, pool.Close()) }()

	listener, err := cfg.Network.listen(ctx, cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s (--listen): %w", cfg.Listen, err)
	}
	masters, err := client.New(client.Config{Addresses: cfg.Masters, HTTPClient: cfg.Network.client(), Logger: cfg.Logger})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer masters.Close()
	s, err := slave.New(slave.Config{
		Name: cfg.Name, Listener: listener, Advertise: cfg.Advertise, Slots: cfg.Slots,
		Kinds:   []slave.Kind{{Name: task.KindExpression, Idempotent: true, Handle: pool.Evaluate}},
		Masters: masters, DrainTimeout: cfg.DrainTimeout, Listening: ready, Logger: cfg.Logger,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return s.Run(ctx)
}
