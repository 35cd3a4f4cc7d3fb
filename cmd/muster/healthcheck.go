package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// healthTimeout bounds the question. A process that is alive and takes longer
	// serves nobody.
	healthTimeout = 2 * time.Second
	// healthAnswer is as much of an answer as is read: it is a sentence.
	healthAnswer = 4096
)

func (p *program) healthcheckCommand() *cobra.Command {
	var ready, typed bool
	cmd := &cobra.Command{
		Use:   "healthcheck [URL]",
		Short: "ask one master or slave whether it is alive",
		Long: `Ask the master or slave at URL whether it is alive (/healthz), or, with --ready, a
master whether it knows a leader and is caught up (/readyz). It takes at most two
seconds and exits with 0 or 1. It is what a container's health check runs, so
without URL it asks the master on this machine: MUSTER_ADDRESS and address: of a
file, which name all masters, don't matter. --address with one URL is as good as URL.`,
		Example: `  muster healthcheck
  muster healthcheck --ready
  muster healthcheck http://127.0.0.1:9101`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("a health check asks one master or slave, but got %q, too", args[1])
			}
			typed = cmd.Flags().Changed("address") // not yet by a variable or a file
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			from, base := "URL", []string{"http://127.0.0.1:8101"}
			switch {
			case typed && len(args) > 0:
				return usagef("a health check asks one master or slave, but got %q and --address; leave one of them out", args[0])
			case typed && len(p.address) != 1:
				return usagef("a health check asks one master or slave, but --address names %d; give the one to ask", len(p.address))
			case typed:
				from, base = "--address", p.address
			case len(args) > 0:
				base = args
			}
			bases, err := baseURLs(from, base)
			if err != nil {
				return err
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			if err := askHealth(cmd.Context(), bases[0]+path); err != nil {
				return err
			}
			return p.line(bases[0] + path + " answers 200 OK.")
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask a master whether it is ready to serve clients")
	return cmd
}

// askHealth returns nil if url answers 200 in time.
func askHealth(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	// A transport of its own, without the proxy that the environment may name.
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask %s, for at most %s: %w", url, healthTimeout, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, healthAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return fmt.Errorf("%s answers %s: %s", url, resp.Status, plain(strings.TrimSpace(string(body))))
}
