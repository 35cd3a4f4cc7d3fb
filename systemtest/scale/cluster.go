package main

import (
	"context"
	"fmt"
	"time"

	"muster/api/client"
	"muster/systemtest/masters"
)

// cluster is the masters, and what is asked of them here.
type cluster struct{ *masters.Cluster }

func startCluster(ctx context.Context, s settings, dir string) (cluster, error) {
	c, err := masters.Start(ctx, masters.Config{Muster: s.muster, Dir: dir, Limit: s.limit})
	return cluster{c}, err
}

// hold gives tasks that do not end to so many slaves.
func (c cluster) hold(ctx context.Context, n int, limit time.Duration) error {
	for range n {
		err := masters.Until(ctx, limit, "a task to be accepted that stays", func() error { return c.submit(ctx, forever) })
		if err != nil {
			return err
		}
	}
	return nil
}

// submit submits a task of a kind, once.
func (c cluster) submit(ctx context.Context, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := c.API.Submit(ctx, client.Submission{Kind: kind}, client.SubmitOptions{})
	return err
}

// heardSince returns an error unless the leader has heard of every slave since a time.
func (c cluster) heardSince(ctx context.Context, t time.Time) error {
	i, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	slaves, err := slavesOf(ctx, c.URLs[i])
	if err != nil {
		return err
	}
	silent := 0
	for _, s := range slaves {
		if !s.LastSeenAt.After(t) {
			silent++
		}
	}
	if silent > 0 {
		return fmt.Errorf("%d of %d slaves were not heard of", silent, len(slaves))
	}
	return nil
}

// slavesOf asks one master, and not any, for the registry.
func slavesOf(ctx context.Context, url string) ([]client.Slave, error) {
	one, err := client.New(client.Config{Addresses: []string{url}, AttemptTimeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	defer one.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return one.Slaves(ctx, client.ReadOptions{})
}

// processorTimes are the masters', so far.
func (c cluster) processorTimes() []time.Duration {
	out := make([]time.Duration, len(c.Pids()))
	for i, pid := range c.Pids() {
		if pid != 0 {
			out[i] = masters.ProcessorTime(pid)
		}
	}
	return out
}
