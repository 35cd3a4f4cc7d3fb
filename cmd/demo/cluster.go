package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"muster/api/client"
)

// node is a master or a slave of the demo.
type node struct {
	*process

	url string // of its API, or where the leader calls it
}

// cluster is the processes of the demo, and a way to ask them.
type cluster struct {
	dir     string
	masters []*node
	slaves  []*node
	program string

	client *client.Client // knows all masters
	glance *client.Client // the same, but does not wait for a frozen one
	wire   *wiretap       // under client
}

// formTries is how often a cluster is begun anew because somebody took a port.
const formTries = 5

// form starts masters, and waits until they are a cluster.
func form(ctx context.Context, program, dir string, masters int) (*cluster, error) {
	for try := 1; ; try++ {
		c, err := newCluster(ctx, program, filepath.Join(dir, strconv.Itoa(try)), masters)
		if err != nil {
			return nil, err
		}
		if err = c.startMasters(ctx); err == nil {
			return c, nil
		}
		conflict := c.conflict(c.masters)
		c.close()
		if !conflict || try == formTries {
			return nil, err
		}
	}
}

// newCluster lays out a cluster: directories, addresses, command lines.
func newCluster(ctx context.Context, program, dir string, masters int) (*cluster, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a directory for the demo: %w", err)
	}
	addresses, err := freeAddresses(ctx, 2*masters)
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, program: program, wire: newWiretap()}
	var list []string
	for i := range masters {
		list = append(list, fmt.Sprintf("m%d=%s=http://%s", i+1, addresses[2*i], addresses[2*i+1]))
	}
	for i := range masters {
		id, raft, api := "m"+strconv.Itoa(i+1), addresses[2*i], addresses[2*i+1]
		c.masters = append(c.masters, c.node(id, "http://"+api,
			"master", "--id", id, "--data", filepath.Join(dir, id), "--raft-listen", raft, "--api-listen", api,
			"--masters", strings.Join(list, ","), "--question-ttl", "0"))
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	return c, nil
}

// connect makes the clients that ask the masters.
func (c *cluster) connect() (err error) {
	c.client, err = client.New(client.Config{
		Addresses: c.apis(), HTTPClient: c.wire.client(),
		AttemptTimeout: 2 * time.Second, MinBackoff: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond,
	})
	if err == nil {
		c.glance, err = client.New(client.Config{Addresses: c.apis(), AttemptTimeout: answerTimeout / 4})
	}
	if err != nil {
		return fmt.Errorf("prepare to ask the masters: %w", err)
	}
	return nil
}

func (c *cluster) node(name, url string, args ...string) *node {
	return &node{url: url, process: &process{
		name: name, logPath: logName(c.dir, name), command: append([]string{c.program}, args...),
	}}
}

// apis are the masters' API URLs.
func (c *cluster) apis() []string {
	var out []string
	for _, m := range c.masters {
		out = append(out, m.url)
	}
	return out
}

// startMasters starts all of them and waits until one leads and all follow it.
func (c *cluster) startMasters(ctx context.Context) error {
	for _, m := range c.masters {
		if err := m.start(); err != nil {
			return err
		}
	}
	return until(ctx, waitLimit, "form a cluster", func(ctx context.Context) error {
		if err := died(c.masters); err != nil {
			return err
		}
		return c.observe(ctx).settled()
	})
}

// addSlave starts a slave and waits until it is registered: so the order of
// registration is the order of starting.
func (c *cluster) addSlave(ctx context.Context, name string, slots int) error {
	for try := 1; ; try++ {
		addresses, err := freeAddresses(ctx, 1)
		if err != nil {
			return err
		}
		s := c.node(name, "http://"+addresses[0],
			"slave", "--name", name, "--listen", addresses[0], "--slots", strconv.Itoa(slots),
			"--masters", strings.Join(c.apis(), ","))
		if err := s.start(); err != nil {
			return err
		}
		err = until(ctx, waitLimit, "register "+name, func(ctx context.Context) error {
			if err := died([]*node{s}); err != nil {
				return err
			}
			return c.registered(ctx, s)
		})
		if err == nil {
			c.slaves = append(c.slaves, s)
			return nil
		}
		conflict := c.conflict([]*node{s})
		err = errors.Join(err, s.kill())
		if !conflict || try == formTries {
			c.slaves = append(c.slaves, s)
			return err
		}
	}
}

// registered tells whether the leader knows the slave as alive, at its URL.
func (c *cluster) registered(ctx context.Context, s *node) error {
	slaves, err := c.client.Slaves(ctx, client.ReadOptions{})
	if err != nil {
		return fmt.Errorf("list the slaves: %w", err)
	}
	for _, known := range slaves {
		if known.Name == s.name && known.URL == s.url && known.State == "alive" {
			return nil
		}
	}
	return fmt.Errorf("%s is not registered", s.name)
}

// errDied ends a wait for a process that will never get there.
var errDied = errors.New("died")

// died tells whether one of the processes ended by itself.
func died(nodes []*node) error {
	for _, n := range nodes {
		if runs, _ := n.state(); !runs {
			return fmt.Errorf("%s %w: %s", n.name, errDied, n.lastWords(3))
		}
	}
	return nil
}

// conflict tells whether a process died because its address was taken.
func (c *cluster) conflict(nodes []*node) bool {
	for _, n := range nodes {
		if runs, _ := n.state(); !runs && n.sawConflict() {
			return true
		}
	}
	return false
}

// nodes are all processes.
func (c *cluster) nodes() []*node {
	return append(append([]*node(nil), c.masters...), c.slaves...)
}

// master returns the one with the id.
func (c *cluster) master(id string) *node {
	for _, m := range c.masters {
		if m.name == id {
			return m
		}
	}
	return nil
}

// close kills all processes.
func (c *cluster) close() {
	c.client.Close()
	c.glance.Close()
	c.wire.next.CloseIdleConnections()
	for _, n := range c.nodes() {
		_ = n.kill() // the kernel has it; there is nothing else to do
	}
}
