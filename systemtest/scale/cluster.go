package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"muster/api/client"
)

// cluster is three masters.
type cluster struct {
	urls    []string
	masters []*exec.Cmd // nil: killed
	api     *client.Client
}

// startCluster starts masters that form a cluster, and waits for a leader.
func startCluster(ctx context.Context, s settings, dir string) (*cluster, error) {
	const masters = 3
	addresses, err := freeAddresses(2 * masters)
	if err != nil {
		return nil, err
	}
	c := &cluster{}
	var list []string
	for i := range masters {
		url := "http://" + addresses[2*i]
		c.urls = append(c.urls, url)
		list = append(list, fmt.Sprintf("m%d=%s=%s", i+1, addresses[2*i+1], url))
	}
	c.api, err = client.New(client.Config{Addresses: c.urls, MinBackoff: 5 * time.Millisecond, MaxBackoff: 20 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	for i := range masters {
		id := fmt.Sprintf("m%d", i+1)
		m, started := startMaster(s.muster, filepath.Join(dir, id+".log"), "master", "--id", id, "--data", filepath.Join(dir, id),
			"--api-listen", addresses[2*i], "--raft-listen", addresses[2*i+1], "--masters", strings.Join(list, ","))
		if started != nil {
			return nil, errors.Join(started, c.close())
		}
		c.masters = append(c.masters, m)
	}
	err = until(ctx, s.limit, "the masters to be ready", func() error {
		for _, url := range c.urls {
			if err := c.api.Ready(ctx, url); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func startMaster(program, logPath string, args ...string) (*exec.Cmd, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // the muster that is measured; close ends it
	cmd.Stdout, cmd.Stderr = log, log
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "MUSTER_") { // they are settings
			cmd.Env = append(cmd.Env, v)
		}
	}
	dieWithParent(cmd)
	return cmd, errors.Join(cmd.Start(), log.Close())
}

// freeAddresses returns addresses on which nobody listens at the moment.
func freeAddresses(n int) ([]string, error) {
	var out []string
	var all []net.Listener // held until all are chosen, so that they differ
	var failed error
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			failed = err
			break
		}
		all = append(all, l)
		out = append(out, l.Addr().String())
	}
	for _, l := range all {
		failed = errors.Join(failed, l.Close())
	}
	return out, failed
}

// close ends the masters that still run.
func (c *cluster) close() error {
	c.api.Close()
	var errs []error
	for i := range c.masters {
		errs = append(errs, c.kill(i))
	}
	return errors.Join(errs...)
}

func (c *cluster) kill(i int) error {
	m := c.masters[i]
	if m == nil {
		return nil
	}
	c.masters[i] = nil
	if err := m.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = m.Wait() // it was killed
	return nil
}

// status returns that of the running master with the highest term.
func (c *cluster) status(ctx context.Context) (best client.Status, err error) {
	answered := false
	for i, url := range c.urls {
		if c.masters[i] == nil {
			continue
		}
		s, asked := c.statusOf(ctx, url)
		if asked != nil {
			err = asked
			continue
		}
		if answered = true; s.Term > best.Term || s.Term == best.Term && s.Capacity.Slaves > best.Capacity.Slaves {
			best = s
		}
	}
	if answered {
		return best, nil
	}
	return best, err
}

func (c *cluster) statusOf(ctx context.Context, url string) (client.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.api.Status(ctx, url, false)
}

// leader returns the number of the master that leads.
func (c *cluster) leader(ctx context.Context) (int, error) {
	var last error
	for i, url := range c.urls {
		if c.masters[i] == nil {
			continue
		}
		s, err := c.statusOf(ctx, url)
		if err == nil && s.Role == client.RoleLeader {
			return i, nil
		}
		last = err
	}
	return 0, errors.Join(errors.New("no master leads"), last)
}

func (c *cluster) killLeader(ctx context.Context) error {
	i, err := c.leader(ctx)
	if err != nil {
		return err
	}
	return c.kill(i)
}

// hold gives tasks that do not end to so many slaves.
func (c *cluster) hold(ctx context.Context, n int, limit time.Duration) error {
	for range n {
		err := until(ctx, limit, "a task to be accepted that stays", func() error { return c.submit(ctx, forever) })
		if err != nil {
			return err
		}
	}
	return nil
}

// submit submits a task of a kind, once.
func (c *cluster) submit(ctx context.Context, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err := c.api.Submit(ctx, client.Submission{Kind: kind}, client.SubmitOptions{})
	return err
}

// heardSince reports whether the leader has heard of every slave since a time.
func (c *cluster) heardSince(ctx context.Context, t time.Time) error {
	i, err := c.leader(ctx)
	if err != nil {
		return err
	}
	slaves, err := slavesOf(ctx, c.urls[i])
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
func (c *cluster) processorTimes() []time.Duration {
	out := make([]time.Duration, len(c.masters))
	for i, m := range c.masters {
		if m != nil {
			out[i] = processorTime(m.Process.Pid)
		}
	}
	return out
}
