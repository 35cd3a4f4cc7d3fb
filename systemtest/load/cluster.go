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
	"sync"
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
		p, err := masters.StartProcess(s.muster, filepath.Join(dir, slave+".log"), "slave", "--name", slave,
			"--listen", address, "--slots", strconv.Itoa(s.slots), "--masters", strings.Join(c.URLs, ","))
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.slaves = append(c.slaves, p)
	}
	err = masters.Until(ctx, s.limit, "the slaves to register", func() error {
		st, err := c.Status(ctx)
		if err == nil && st.Capacity.Slaves < slaves {
			err = fmt.Errorf("%d of %d are registered", st.Capacity.Slaves, slaves)
		}
		return err
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
		st, err := c.Status(ctx)
		term = st.Term
		return err
	})
	return term, err
}

// memory watches the masters' memory until its context ends.
type memory struct {
	mu   sync.Mutex
	most []int64 // bytes, by master, under mu
}

func (m *memory) watch(ctx context.Context, c *cluster) {
	const every = 500 * time.Millisecond
	for {
		m.look(c.Pids())
		if masters.Pause(ctx, every) != nil {
			return
		}
	}
}

func (m *memory) look(pids []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.most = append(m.most, make([]int64, max(0, len(pids)-len(m.most)))...)
	for i, pid := range pids {
		if b, err := masters.ResidentMemory(pid); err == nil {
			m.most[i] = max(m.most[i], b)
		}
	}
}

func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var parts []string
	for _, b := range m.most {
		parts = append(parts, strconv.FormatInt(b>>20, 10)+" MiB")
	}
	return strings.Join(parts, ", ")
}
