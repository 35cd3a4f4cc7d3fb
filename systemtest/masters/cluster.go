package masters

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"muster/api/client"
)

// Config is what Start needs.
type Config struct {
	Muster string        // the program
	Dir    string        // for data and logs; it exists
	Limit  time.Duration // for the masters to be ready
	Args   []string      // more arguments for each master
}

// Cluster is three masters.
type Cluster struct {
	URLs []string
	API  *client.Client

	masters []*exec.Cmd // nil: killed
}

// Start starts masters that form a cluster, and waits until all are ready.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	const masters = 3
	addresses, err := FreeAddresses(2 * masters)
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	var list []string
	for i := range masters {
		url := "http://" + addresses[2*i]
		c.URLs = append(c.URLs, url)
		list = append(list, fmt.Sprintf("m%d=%s=%s", i+1, addresses[2*i+1], url))
	}
	c.API, err = client.New(client.Config{Addresses: c.URLs, MinBackoff: 5 * time.Millisecond, MaxBackoff: 20 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	for i := range masters {
		id := fmt.Sprintf("m%d", i+1)
		args := append([]string{
			"master", "--id", id, "--data", filepath.Join(cfg.Dir, id),
			"--api-listen", addresses[2*i], "--raft-listen", addresses[2*i+1], "--masters", strings.Join(list, ","),
		}, cfg.Args...)
		m, started := StartProcess(cfg.Muster, filepath.Join(cfg.Dir, id+".log"), args...)
		if started != nil {
			return nil, errors.Join(started, c.Close())
		}
		c.masters = append(c.masters, m)
	}
	err = Until(ctx, cfg.Limit, "the masters to be ready", func() error {
		for _, url := range c.URLs {
			if err := c.API.Ready(ctx, url); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close ends the masters that still run.
func (c *Cluster) Close() error {
	c.API.Close()
	var errs []error
	for i := range c.masters {
		errs = append(errs, c.Kill(i))
	}
	return errors.Join(errs...)
}

// Kill ends one master as kill -9 does, if it runs.
func (c *Cluster) Kill(i int) error {
	m := c.masters[i]
	c.masters[i] = nil
	return Kill(m)
}

// Pids are those of the masters; 0 for one that was killed.
func (c *Cluster) Pids() []int {
	out := make([]int, len(c.masters))
	for i, m := range c.masters {
		if m != nil {
			out[i] = m.Process.Pid
		}
	}
	return out
}

// Status returns that of the running master with the highest term.
func (c *Cluster) Status(ctx context.Context) (best client.Status, err error) {
	answered := false
	for i, url := range c.URLs {
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

func (c *Cluster) statusOf(ctx context.Context, url string) (client.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.API.Status(ctx, url, false)
}

// Leader returns the number of the master that leads.
func (c *Cluster) Leader(ctx context.Context) (int, error) {
	var last error
	for i, url := range c.URLs {
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

// KillLeader ends the master that leads.
func (c *Cluster) KillLeader(ctx context.Context) error {
	i, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	return c.Kill(i)
}
