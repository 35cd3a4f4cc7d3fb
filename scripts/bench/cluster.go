package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cluster is three masters and some slaves of one build, with their defaults.
type cluster struct {
	dir     string
	build   build
	apis    []string // of the masters, as URLs
	masters []*process
	slaves  []*process
	leader  int // in masters
	http    *http.Client
}

// startWithin bounds the wait until a cluster leads and has its slaves.
const startWithin = 60 * time.Second

// startCluster starts masters in a directory of their own in dir, and waits until one leads.
func startCluster(ctx context.Context, b build, dir string) (*cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	own, err := os.MkdirTemp(dir, "muster-bench-")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: own, build: b, http: &http.Client{Timeout: 2 * time.Minute}}
	if err := c.startMasters(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

func (c *cluster) startMasters(ctx context.Context) error {
	const masters = 3
	ports, err := freePorts(2 * masters)
	if err != nil {
		return err
	}
	var list []string
	for i := range masters {
		c.apis = append(c.apis, "http://"+ports[i])
		list = append(list, fmt.Sprintf("m%d=%s=%s", i+1, ports[masters+i], c.apis[i]))
	}
	for i := range masters {
		id := "m" + strconv.Itoa(i+1)
		p, err := start(c.dir, id, nil, c.build.path, "master", "--id", id, "--data", filepath.Join(c.dir, id),
			"--raft-listen", ports[masters+i], "--api-listen", ports[i], "--masters", strings.Join(list, ","))
		if err != nil {
			return err
		}
		c.masters = append(c.masters, p)
	}
	return c.until(ctx, "a leader", func() bool {
		for i := range masters {
			if s, err := c.status(ctx, i); err == nil && s.Role == "leader" && s.Ready {
				c.leader = i
				return true
			}
		}
		return false
	})
}

// addSlaves starts slaves and waits until the leader knows their slots.
func (c *cluster) addSlaves(ctx context.Context, n, slots int) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	ports, err := freePorts(n)
	if err != nil {
		return err
	}
	for _, port := range ports {
		name := "s" + strconv.Itoa(len(c.slaves)+1)
		p, err := start(c.dir, name, nil, c.build.path, "slave", "--name", name, "--slots", strconv.Itoa(slots),
			"--listen", port, "--masters", strings.Join(c.apis, ","))
		if err != nil {
			return err
		}
		c.slaves = append(c.slaves, p)
	}
	return c.until(ctx, "its slaves", func() bool {
		s, err := c.status(ctx, c.leader)
		return err == nil && s.Capacity.Slots >= n*slots
	})
}

func (c *cluster) url() string { return c.apis[c.leader] }

// until asks now and then, until it is so or a process or ctx ends.
func (c *cluster) until(ctx context.Context, what string, so func() bool) error {
	for !so() {
		for _, p := range append(append([]*process{}, c.masters...), c.slaves...) {
			if err := p.ended(); err != nil {
				return err
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s: the cluster did not get %s in time", c.build.name, what)
		}
	}
	return nil
}

func (c *cluster) stop() {
	for _, p := range append(append([]*process{}, c.slaves...), c.masters...) {
		p.stop()
	}
	_ = os.RemoveAll(c.dir) // what is left of it is in a directory for temporary files
}

// status is what is read of GET /v1/status.
type status struct {
	Role   string `json:"role"`
	Ready  bool   `json:"ready"`
	Counts struct {
		Submitted  int `json:"submitted"`
		Pending    int `json:"pending"`
		InProgress int `json:"in_progress"`
		Done       int `json:"done"`
	} `json:"counts"`
	Capacity struct {
		Slots int `json:"slots"`
	} `json:"capacity"`
}

func (c *cluster) status(ctx context.Context, master int) (status, error) {
	var s status
	answer, err := c.get(ctx, c.apis[master]+"/v1/status")
	if err != nil {
		return s, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	return s, json.NewDecoder(answer.Body).Decode(&s)
}

// done is how many tasks are done.
func (c *cluster) done(ctx context.Context) (int, error) {
	s, err := c.status(ctx, c.leader)
	return s.Counts.Done, err
}

// allDone waits until the leader has no task that is not done.
func (c *cluster) allDone(ctx context.Context, every time.Duration) error {
	for {
		s, err := c.status(ctx, c.leader)
		if err != nil {
			return err
		}
		if s.Role != "leader" {
			return fmt.Errorf("%w: %s lost its leader", errDisturbed, c.build.name)
		}
		if s.Counts.Pending+s.Counts.InProgress == 0 {
			return nil
		}
		if err := pause(ctx, every); err != nil {
			return fmt.Errorf("%s: %d tasks wait and %d are in progress when the time is over", c.build.name, s.Counts.Pending, s.Counts.InProgress)
		}
	}
}

// allocated is how many objects the leader has allocated since it started.
func (c *cluster) allocated(ctx context.Context) (float64, error) {
	answer, err := c.get(ctx, c.url()+"/metrics")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no metric go_memstats_mallocs_total", c.build.name)
}

func (c *cluster) get(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close() // nothing of it is read
		return nil, fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return answer, nil
}

// taken is what the processors did for each kind of process of a cluster.
type taken struct{ leader, followers, slaves, children time.Duration }

func (c *cluster) taken() (taken, error) {
	var t taken
	for i, p := range c.masters {
		u, err := used(p.pid())
		if err != nil {
			return t, err
		}
		if i == c.leader {
			t.leader += u.own
		} else {
			t.followers += u.own
		}
		t.children += u.children
	}
	for _, p := range c.slaves {
		u, err := used(p.pid())
		if err != nil {
			return t, err
		}
		t.slaves += u.own
		t.children += u.children
	}
	return t, nil
}

func (t taken) minus(o taken) taken {
	return taken{t.leader - o.leader, t.followers - o.followers, t.slaves - o.slaves, t.children - o.children}
}

// pause waits, or says that ctx has ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
