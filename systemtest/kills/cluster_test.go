package kills_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/api/client"
	"muster/systemtest/evidence"
	"muster/systemtest/ports"
	"muster/systemtest/timelimit"
)

// limit bounds every wait of these tests; it is only reached by a failure.
func limit(t *testing.T) time.Duration {
	t.Helper()
	return timelimit.Of(t, time.Minute)
}

// slots of each of the slaves: far more than the load needs, so that a write waits
// for a master and not for a slot.
const slots = 128

// cluster is masters and slaves, each a process of its own.
type cluster struct {
	t       *testing.T
	dir     string
	host    string
	masters []*master
	slaves  []*slave
	api     *client.Client // asks; the load has its own
	web     *http.Client   // asks what no client of the API asks
	seen    *evidence.Evidence
}

type master struct {
	*process

	id, url string
}

// slave is a slave that the leader speaks to through a watch, if it has one.
type slave struct {
	*process

	url   string // its own
	watch *watch
}

// newCluster lays out three masters that form a cluster by one list. Their data is
// kept if the test fails.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals")
	}
	dir, err := os.MkdirTemp("", "muster-kills-") //nolint:usetesting // that of a test that fails is kept
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, dir: dir, host: loopback(), seen: evidence.New(), web: &http.Client{Transport: &http.Transport{}, Timeout: limit(t)}}
	t.Cleanup(c.close)
	t.Cleanup(c.web.CloseIdleConnections)
	var list, urls []string
	for i := 1; i <= 3; i++ {
		id, raft, api := fmt.Sprintf("m%d", i), ports.Free(c.t, c.host), ports.Free(c.t, c.host)
		list = append(list, fmt.Sprintf("%s=%s=http://%s", id, raft, api))
		urls = append(urls, "http://"+api)
		c.masters = append(c.masters, &master{id: id, url: "http://" + api, process: c.process(id,
			"master", "--id", id, "--data", filepath.Join(dir, id), "--raft-listen", raft, "--api-listen", api,
			"--snapshot-threshold", "500")}) // few entries, so that a restart goes through a snapshot
	}
	for _, m := range c.masters {
		m.command = append(m.command, "--masters", strings.Join(list, ","))
	}
	if c.api, err = client.New(client.Config{Addresses: urls}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.api.Close)
	return c
}

// newSystem starts three masters and two slaves.
func newSystem(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t)
	for _, m := range c.masters {
		m.start()
	}
	c.awaitReady()
	c.startSlave("slave-1")
	c.startSlave("slave-2")
	return c
}

// process lays out a child process.
func (c *cluster) process(name string, args ...string) *process {
	return &process{t: c.t, name: name, command: append([]string{program}, args...), logPath: filepath.Join(c.dir, name+".log")}
}

// startSlave starts a slave and waits until it is registered.
func (c *cluster) startSlave(name string) {
	c.t.Helper()
	address := ports.Free(c.t, c.host)
	s := &slave{url: "http://" + address, watch: newWatch(c.t, ports.Free(c.t, c.host), "http://"+address)}
	c.startAs(s, name, s.watch.url)
}

// startUnwatched starts a slave that the leader speaks to itself.
func (c *cluster) startUnwatched(name string) *slave {
	c.t.Helper()
	s := &slave{url: "http://" + ports.Free(c.t, c.host)}
	c.startAs(s, name, s.url)
	return s
}

func (c *cluster) startAs(s *slave, name, advertised string) {
	c.t.Helper()
	s.process = c.process(name, "slave", "--name", name, "--listen", strings.TrimPrefix(s.url, "http://"), "--advertise", advertised,
		"--slots", strconv.Itoa(slots), "--masters", strings.Join(c.urls(), ","))
	s.start()
	c.slaves = append(c.slaves, s)
	c.awaitAlive(name)
}

// awaitAlive waits until a slave is registered.
func (c *cluster) awaitAlive(name string) {
	c.t.Helper()
	c.await(name+" to register", func(ctx context.Context) error {
		slaves, err := c.api.Slaves(ctx, client.ReadOptions{Linearizable: true})
		if err != nil {
			return err
		}
		for _, x := range slaves {
			if x.Name == name && x.State == client.SlaveAlive {
				return nil
			}
		}
		return fmt.Errorf("registry: %+v", slaves)
	})
}

func (c *cluster) urls() []string {
	var urls []string
	for _, m := range c.masters {
		urls = append(urls, m.url)
	}
	return urls
}

// loopback is an address of this machine on loopback: on Linux one that nobody
// else chooses, so that no other test takes the port of a master that is down.
func loopback() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

// await repeats a question until it is answered without an error.
func (c *cluster) await(what string, ask func(ctx context.Context) error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit(c.t))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last error // that is not simply the end of the wait
	for {
		err := c.once(ctx, ask)
		if err == nil {
			return
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("waited %v for %s: %v", limit(c.t), what, last)
		}
	}
}

// once asks once: a process that never answers must not take all the time.
func (c *cluster) once(ctx context.Context, ask func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit(c.t)/10)
	defer cancel()
	return ask(ctx)
}

// awaitReady waits until all masters run, are ready and follow one leader. It
// returns the leader and its term.
func (c *cluster) awaitReady() (leader *master, term uint64) {
	c.t.Helper()
	c.await("a leader that all masters follow", func(ctx context.Context) (err error) {
		leader, term, err = c.ready(ctx)
		return err
	})
	return leader, term
}

// ready returns the leader and its term, or why it is not true that all masters
// are ready and follow one leader.
func (c *cluster) ready(ctx context.Context) (leader *master, term uint64, err error) {
	c.t.Helper()
	followed := ""
	for _, m := range c.masters {
		if !m.runs() {
			c.t.Fatalf("%s has ended by itself: %v", m.id, m.err)
		}
		s, err := c.api.Status(ctx, m.url, false)
		switch {
		case err != nil:
			return nil, 0, err
		case !s.Ready:
			return nil, 0, fmt.Errorf("%s is not ready: %s", m.id, s.NotReady)
		case followed != "" && followed != s.LeaderID:
			return nil, 0, fmt.Errorf("%s follows %s, not %s", m.id, s.LeaderID, followed)
		case s.Role == client.RoleLeader:
			leader, term = m, s.Term
		}
		followed = s.LeaderID
	}
	if leader == nil || leader.id != followed {
		return nil, 0, fmt.Errorf("the leader %q does not say so", followed)
	}
	return leader, term, nil
}

// close ends all processes. If the test has failed it shows what they wrote last,
// and keeps everything.
func (c *cluster) close() {
	var all []*process
	for _, m := range c.masters {
		all = append(all, m.process)
	}
	for _, s := range c.slaves {
		all = append(all, s.process)
	}
	for _, p := range all {
		p.end()
		if c.t.Failed() && p.lives > 0 {
			c.t.Logf("%s wrote last:\n%s", p.name, lastLines(p.words(), 60))
		}
	}
	if c.t.Failed() {
		c.t.Logf("data and logs are kept in %s", c.dir)
		return
	}
	if err := os.RemoveAll(c.dir); err != nil {
		c.t.Error(err)
	}
}
