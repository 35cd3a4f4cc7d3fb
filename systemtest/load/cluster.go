package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"muster/systemtest/masters"
)

// cluster is three masters and two slaves.
type cluster struct {
	*masters.Cluster

	slaves []*exec.Cmd
}

func startCluster(ctx context.Context, s settings, name string) (*cluster, error) {
	const slaves = 2
	dir := filepath.Join(s.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	m, err := masters.Start(ctx, masters.Config{Muster: s.muster, Dir: dir, Limit: s.limit})
	if err != nil {
		return nil, err
	}
	c := &cluster{Cluster: m}
	addresses, err := masters.FreeAddresses(slaves)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	for i, address := range addresses {
		slave := "slave-" + strconv.Itoa(i+1)
		p, started := masters.StartProcess(s.muster, filepath.Join(dir, slave+".log"), "slave", "--name", slave,
			"--listen", address, "--slots", strconv.Itoa(s.slots), "--masters", strings.Join(c.URLs, ","))
		if started != nil {
			return nil, errors.Join(started, c.close())
		}
		c.slaves = append(c.slaves, p)
	}
	err = masters.Until(ctx, s.limit, "the slaves to register", func() error {
		st, asked := c.Status(ctx)
		if asked == nil && st.Capacity.Slaves < slaves {
			asked = fmt.Errorf("%d of %d are registered", st.Capacity.Slaves, slaves)
		}
		return asked
	})
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *cluster) close() error {
	errs := []error{c.Close()}
	for _, p := range c.slaves {
		errs = append(errs, masters.Kill(p))
	}
	return errors.Join(errs...)
}

// term returns the highest that a master knows; it asks for as long as limit.
func (c *cluster) term(ctx context.Context, limit time.Duration) (term uint64, err error) {
	err = masters.Until(ctx, limit, "a master's status", func() error {
		st, asked := c.Status(ctx)
		term = st.Term
		return asked
	})
	return term, err
}

// usage is what the processes of a cluster take of the machine.
type usage struct {
	pids []int // the masters', then the slaves'
	most []int64
	used []float64 // processors
	own  float64   // of this process, which makes the load
}

// watch looks until ctx ends.
func (u *usage) watch(ctx context.Context, c *cluster) {
	const every = 500 * time.Millisecond
	u.pids = c.Pids()
	for _, p := range c.slaves {
		u.pids = append(u.pids, p.Process.Pid)
	}
	u.most, u.used = make([]int64, len(u.pids)), make([]float64, len(u.pids))
	before, began, own := u.times(), time.Now(), masters.ProcessorTime(os.Getpid())
	for {
		for i, pid := range u.pids {
			if b, err := masters.ResidentMemory(pid); err == nil {
				u.most[i] = max(u.most[i], b)
			}
		}
		if masters.Pause(ctx, every) != nil {
			break
		}
	}
	took := time.Since(began).Seconds()
	for i, t := range u.times() {
		u.used[i] = (t - before[i]).Seconds() / took
	}
	u.own = (masters.ProcessorTime(os.Getpid()) - own).Seconds() / took
}

func (u *usage) times() []time.Duration {
	out := make([]time.Duration, len(u.pids))
	for i, pid := range u.pids {
		out[i] = masters.ProcessorTime(pid)
	}
	return out
}

func (u *usage) String() string {
	var memory, processors []string
	for i, b := range u.most {
		memory = append(memory, strconv.FormatInt(b>>20, 10)+" MiB")
		processors = append(processors, strconv.FormatFloat(u.used[i], 'f', 2, 64))
	}
	return "memory at most, of the masters, then the slaves: " + strings.Join(memory, ", ") +
		"\n  processors, of the same: " + strings.Join(processors, ", ") + "; of the load " + strconv.FormatFloat(u.own, 'f', 2, 64)
}
