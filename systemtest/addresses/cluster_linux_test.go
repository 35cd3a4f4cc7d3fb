package addresses_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"

	"muster/systemtest/timelimit"
)

// The ports of the documentation.
const (
	raftPort  = "7101"
	apiPort   = "8101"
	slavePort = "9101"
)

// cluster is masters and slaves, each on a host of its own, and a host to ask from.
type cluster struct {
	*lab

	client  *host
	masters []*machine
	slaves  []*machine
	asked   []string // the URLs that the client and the slaves are given
}

// machine is a master or a slave, and how it is reached.
type machine struct {
	*host
	*process

	at    string   // host name or IP
	extra []string // flags
}

// newCluster lays out three masters and a slave at addresses, which are not started.
// The client has the last address.
func newCluster(l *lab, bits string, addresses ...string) *cluster {
	l.t.Helper()
	c := &cluster{lab: l}
	for i, a := range addresses[:3] {
		c.masters = append(c.masters, &machine{host: l.host(fmt.Sprintf("m%d", i+1), a+bits), at: a})
	}
	c.slaves = []*machine{{host: l.host("slave-1", addresses[3]+bits), at: addresses[3]}}
	c.client = l.host("client", addresses[4]+bits)
	return c
}

func (m *machine) url(port string) string { return "http://" + net.JoinHostPort(m.at, port) }

// list is the list of founders, as it is at this moment.
func (c *cluster) list() string {
	var list []string
	for _, m := range c.masters {
		list = append(list, fmt.Sprintf("%s=%s=%s", m.name, net.JoinHostPort(m.at, raftPort), m.url(apiPort)))
	}
	return strings.Join(list, ",")
}

// urls are the masters', as they are at this moment.
func (c *cluster) urls() []string {
	var urls []string
	for _, m := range c.masters {
		urls = append(urls, m.url(apiPort))
	}
	return urls
}

// startAll starts everything and waits until it works.
func (c *cluster) startAll() {
	c.t.Helper()
	c.asked = c.urls()
	for _, m := range c.masters {
		c.startMaster(m, "--masters", c.list())
	}
	for _, s := range c.slaves {
		c.startSlave(s)
	}
	c.works()
}

// startMaster starts a master that listens on every address of its host.
func (c *cluster) startMaster(m *machine, way ...string) {
	c.t.Helper()
	command := []string{
		binary, "master", "--id", m.name, "--data", filepath.Join(c.dir, m.name),
		"--raft-listen", net.JoinHostPort("", raftPort), "--raft-advertise", net.JoinHostPort(m.at, raftPort),
		"--api-listen", net.JoinHostPort("", apiPort), "--api-advertise", m.url(apiPort),
	}
	m.process = m.start(append(append(command, way...), m.extra...)...)
}

func (c *cluster) startSlave(s *machine) {
	c.t.Helper()
	command := []string{
		binary, "slave", "--name", s.name, "--listen", net.JoinHostPort("", slavePort), "--advertise", s.url(slavePort),
		"--masters", strings.Join(c.asked, ","), "--drain-timeout", "5s",
	}
	s.process = s.start(append(command, s.extra...)...)
}

// muster runs a command of the client's.
func (c *cluster) muster(args ...string) (stdout, stderr string, code int) {
	c.t.Helper()
	return c.client.run(append([]string{binary, "--address", strings.Join(c.asked, ",")}, args...)...)
}

// submits has a task done.
func (c *cluster) submits() {
	c.t.Helper()
	out, errs, code := c.muster("submit", "6*7", "--wait", "--when-full", "queue", "--request-timeout", timelimit.Usual(c.t).String(), "-o", "json")
	var answer struct {
		Task struct{ Result string }
	}
	if code != 0 || json.Unmarshal([]byte(out), &answer) != nil || answer.Task.Result != "42" {
		c.t.Fatalf("a task was not done: code %d\n%s%s", code, out, errs)
	}
}

// status is what the masters that answer say of themselves, by id.
func (c *cluster) status() (map[string]masterStatus, error) {
	out, errs, code := c.muster("status", "--fingerprint", "-o", "json")
	var answer struct {
		Masters []struct {
			Status *masterStatus
		}
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		return nil, fmt.Errorf("status: code %d, %w\n%s%s", code, err, out, errs)
	}
	all := map[string]masterStatus{}
	for _, m := range answer.Masters {
		if m.Status != nil {
			all[m.Status.ID] = *m.Status
		}
	}
	return all, nil
}

type masterStatus struct {
	ID          string `json:"id"`
	Ready       bool   `json:"ready"`
	NotReady    string `json:"not_ready"`
	LeaderID    string `json:"leader_id"`
	Fingerprint string `json:"fingerprint"`
	Capacity    struct {
		Slaves int `json:"slaves"`
	} `json:"capacity"`
	Counts struct {
		Done int `json:"done"`
	} `json:"counts"`
}

// works waits until all masters that run are ready, with one state, and the slave is
// there; and then has a task done.
func (c *cluster) works() {
	c.t.Helper()
	c.eventually("the masters are ready, with one state", func() error {
		all, err := c.status()
		if err != nil {
			return err
		}
		prints := map[string]bool{}
		for _, m := range c.masters {
			st, answers := all[m.name]
			switch {
			case !m.runs():
				continue
			case !answers:
				return fmt.Errorf("%s does not answer", m.name)
			case !st.Ready:
				return fmt.Errorf("%s: %s", m.name, st.NotReady)
			case st.Capacity.Slaves != len(c.slaves):
				return fmt.Errorf("%s knows %d slaves", m.name, st.Capacity.Slaves)
			}
			prints[st.Fingerprint] = true
		}
		if len(prints) != 1 {
			return fmt.Errorf("%d states", len(prints))
		}
		return nil
	})
	c.submits()
}

func (m *machine) runs() bool {
	if m.process == nil {
		return false
	}
	select {
	case <-m.ended:
		return false
	default:
		return true
	}
}

// leader returns the master that leads.
func (c *cluster) leader() *machine {
	c.t.Helper()
	var leader *machine
	c.eventually("a leader", func() error {
		all, err := c.status()
		if err != nil {
			return err
		}
		for _, m := range c.masters {
			if st, ok := all[m.name]; ok && m.runs() && st.Ready && st.LeaderID == m.name {
				leader = m
				return nil
			}
		}
		return fmt.Errorf("among %+v", all)
	})
	return leader
}

// follower returns a master that does not lead.
func (c *cluster) follower() *machine {
	c.t.Helper()
	leader := c.leader()
	for _, m := range c.masters {
		if m != leader && m.runs() {
			return m
		}
	}
	c.t.Fatal("no follower runs")
	return nil
}

// kill ends a machine's process as a crash does.
func (m *machine) kill() { m.signal(syscall.SIGKILL) }

// registered returns the addresses of a master, as all masters have them.
func (c *cluster) registered(id string) string {
	c.t.Helper()
	var at string
	for i, url := range c.urls() {
		if !c.masters[i].runs() {
			continue
		}
		out, errs, code := c.client.run(binary, "--address", url, "masters", "list", "-o", "json")
		var answer struct {
			Masters []struct {
				ID          string `json:"id"`
				RaftAddress string `json:"raft_address"`
				APIURL      string `json:"api_url"`
			}
		}
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			return fmt.Sprintf("code %d, %v: %s%s", code, err, out, errs)
		}
		for _, m := range answer.Masters {
			if m.ID == id {
				at += m.RaftAddress + " " + m.APIURL + "\n"
			}
		}
	}
	return at
}

// noted waits until all masters that run have a master where it is now.
func (c *cluster) noted(m *machine) {
	c.t.Helper()
	running := 0
	for _, x := range c.masters {
		if x.runs() {
			running++
		}
	}
	want := strings.Repeat(net.JoinHostPort(m.at, raftPort)+" "+m.url(apiPort)+"\n", running)
	c.eventually(m.name+" is noted where it is", func() error {
		if got := c.registered(m.name); got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}

// eventually repeats a question until it is answered without an error.
func (c *cluster) eventually(what string, ask func() error) {
	c.t.Helper()
	timelimit.Eventually(c.t, what, func(context.Context) error { return ask() })
}
