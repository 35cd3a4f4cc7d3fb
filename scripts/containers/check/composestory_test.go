package check

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// composition is a Compose project that runs.
type composition struct {
	*world
	project *types.Project
	volumes map[string]string // by name
	running map[string]*container
}

// up starts a service's container, as "docker compose up" and "start" do.
func (c *composition) up(name string) {
	c.t.Helper()
	s := c.project.Services[name]
	a := asked{name: name, readOnly: s.ReadOnly, uid: c.image.UID, gid: c.image.GID, args: s.Command, resolv: "nameserver " + c.gateway.Addr().String() + "\noptions ndots:0\n"}
	for key, value := range s.Environment {
		a.env = append(a.env, key+"="+*value)
	}
	for _, v := range s.Volumes {
		if c.volumes[v.Source] == "" {
			c.volumes[v.Source] = c.volume(v.Target)
		}
		a.binds = append(a.binds, bind{From: c.volumes[v.Source], To: v.Target})
	}
	started := c.run(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running[name] = started
}

// get returns a service's container, also while others are replaced.
func (c *composition) get(name string) *container {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running[name]
}

// healthy waits until a service's own health check says so.
func (c *composition) healthy(names ...string) time.Duration {
	c.t.Helper()
	begun := time.Now()
	for _, name := range names {
		c.eventually(name+" is healthy", func() error {
			_, err := c.get(name).exec(c.project.Services[name].HealthCheck.Test[1:]...)
			return err
		})
	}
	return time.Since(begun)
}

// TestComposeStory runs the services of the Compose file, their very command lines
// with their very names, from nothing to a failover.
func TestComposeStory(t *testing.T) {
	if !inside(t) {
		return
	}
	project, err := loadCompose(read(t, composePath))
	if err != nil {
		t.Fatal(err)
	}
	c := &composition{project: project, volumes: map[string]string{}, running: map[string]*container{}}
	c.world = newWorld(t, ipv4, func(name string) []netip.Addr {
		if s := c.running[name]; s != nil {
			return []netip.Addr{s.address}
		}
		return nil
	})
	var masters, published []string
	for _, name := range project.ServiceNames() {
		for _, port := range project.Services[name].Ports {
			address := port.HostIP + ":" + port.Published
			c.forward(address, func() string { return c.get(name).at(int(port.Target)) })
			published = append(published, "http://"+address)
			masters = append(masters, name)
		}
		c.up(name)
	}
	t.Logf("all are healthy after %s", c.healthy(project.ServiceNames()...).Round(time.Millisecond))
	for _, base := range published {
		c.compute(base, "6*7", "42")
	}
	if out, err := c.get("m1").exec("/usr/bin/muster", "status"); err != nil {
		t.Errorf("muster status in m1: %v", err)
	} else {
		t.Logf("muster status in m1:\n%s", out)
	}
	for _, name := range project.ServiceNames() {
		c.get(name).hasNoRights()
	}

	leader := c.leader(c.only(masters))
	if out, err := c.muster("submit", "2 + 3*x", "-p", "x=4", "--wait", "--address", strings.Join(published, ",")); err != nil || !strings.Contains(out, ": 14") {
		t.Errorf("muster submit on the host: %v: %s", err, out)
	}
	out, err := c.muster("status", "--address", published[0])
	t.Logf("muster status on the host: %v\n%s", err, out)

	t.Logf("kill -9 of %s, which leads", leader.name)
	leader.kill()
	at := slices.Index(masters, leader.name)
	base := published[(at+1)%len(published)]
	begun := time.Now()
	c.compute(base, "7*8", "56")
	took := time.Since(begun)
	t.Logf("%s later the next task was done", took.Round(time.Millisecond))
	if took > time.Minute {
		t.Errorf("the failover took %s", took)
	}
	if got := c.done(base); got != 5 {
		t.Errorf("%d tasks are done, and 5 were", got)
	}
	if err := func() error { _, err := leader.exec("/usr/bin/muster", "healthcheck"); return err }(); err == nil {
		t.Error("a dead master is healthy")
	}
	c.up(leader.name)
	c.healthy(leader.name)
	if got := c.done(published[at]); got != 5 {
		t.Errorf("%s came back with %d of 5 tasks done", leader.name, got)
	}

	// The ends that "docker compose stop" brings.
	stop := func(name string) time.Duration {
		return c.get(name).stop(signalOf(t, c.image.StopSignal), time.Duration(*project.Services[name].StopGracePeriod))
	}
	busy := c.submit(base, "sleep(2) * 3")
	c.works(c.get(busy.Task.Slave))
	took = stop(busy.Task.Slave)
	t.Logf("%s, with a task of 2 s, stopped in %s", busy.Task.Slave, took.Round(time.Millisecond))
	c.result(base, busy.Task.ID, "6")
	if got := c.slave(base, busy.Task.Slave); got != "left" {
		t.Errorf("%s is %q after its end", busy.Task.Slave, got)
	}
	c.up(busy.Task.Slave)
	c.healthy(busy.Task.Slave)
	leader = c.leader(c.only(masters))
	t.Logf("%s, which leads, stopped in %s", leader.name, stop(leader.name).Round(time.Millisecond))
	next := published[(slices.Index(masters, leader.name)+1)%len(published)]
	c.compute(next, "1+1", "2")
	c.up(leader.name)
	c.healthy(masters...)
	// A lost volume, as docs/deploy/containers.md has it.
	lost := c.leader(c.only(masters)).name
	c.get(lost).kill()
	delete(c.volumes, lost)
	at = slices.Index(masters, lost)
	others := slices.Delete(slices.Clone(masters), at, at+1)
	c.eventually(lost+" is removed", func() error { // refused while nobody leads
		_, err := c.get(others[0]).exec("/usr/bin/muster", "masters", "remove", lost)
		return err
	})
	service := project.Services[lost]
	service.Command[slices.Index(service.Command, "--id")+1] = "m4"
	founders := slices.Index(service.Command, "--masters")
	service.Command[founders], service.Command[founders+1] = "--join", "http://"+others[0]+":8101,http://"+others[1]+":8101"
	c.up(lost)
	c.healthy(lost)
	c.compute(published[at], "2*2", "4")
	c.eventually("three masters vote", func() error {
		out, err := c.get(others[0]).exec("/usr/bin/muster", "masters", "list")
		if err == nil && (!strings.Contains(out, "m4") || strings.Count(out, "yes") < len(masters)) {
			err = errors.New(out)
		}
		return err
	})

	// "docker compose down": who depends on others is stopped before them.
	begun = time.Now()
	for _, name := range slices.DeleteFunc(project.ServiceNames(), func(name string) bool { return slices.Contains(masters, name) }) {
		if depends := project.Services[name].GetDependencies(); len(depends) != len(masters) {
			t.Errorf("%s depends on %q; it must be stopped before the masters", name, depends)
		}
		stop(name)
	}
	for _, name := range masters {
		stop(name)
	}
	t.Logf("all stopped in %s", time.Since(begun).Round(time.Millisecond))
}

// only are the containers of these services that run.
func (c *composition) only(names []string) map[string]*container {
	c.mu.Lock()
	defer c.mu.Unlock()
	some := maps.Clone(c.running)
	maps.DeleteFunc(some, func(name string, _ *container) bool { return !slices.Contains(names, name) })
	return some
}

func signalOf(t *testing.T, name string) syscall.Signal {
	t.Helper()
	if name != "SIGTERM" {
		t.Fatalf("stop signal %q", name)
	}
	return syscall.SIGTERM
}
