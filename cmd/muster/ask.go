package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"muster/api/client"
)

// ask calls f with a client of the masters at --address, and with a context that
// ends after what f may take in all.
func (p *program) ask(cmd *cobra.Command, atMost time.Duration, f func(ctx context.Context, c *client.Client) error) error {
	addresses, err := baseURLs("--address", p.address)
	if err != nil {
		return err
	}
	if len(addresses) == 0 {
		return usagef("--address is empty; it takes the API URL of at least one master, like http://127.0.0.1:8101")
	}
	c, err := client.New(client.Config{Addresses: addresses, Logger: p.logs.logger(p.stderr)})
	if err != nil {
		return fmt.Errorf("prepare to ask %v: %w", addresses, err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), atMost)
	defer cancel()
	return f(ctx, c)
}

// readFlags are the flags of commands that read the state.
type readFlags struct {
	minIndex     uint64
	linearizable bool
}

func (f *readFlags) add(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&f.minIndex, "min-index", 0, "wait until the master that is asked has seen this log index")
	cmd.Flags().BoolVar(&f.linearizable, "linearizable", false, "see everything that was acknowledged before this call")
}

func (f *readFlags) options() client.ReadOptions {
	return client.ReadOptions{MinIndex: f.minIndex, Linearizable: f.linearizable}
}
