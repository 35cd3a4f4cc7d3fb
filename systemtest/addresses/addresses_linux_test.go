package addresses_test

import (
	"strings"
	"testing"
)

// TestListenOnAllAndAdvertiseOne, with IPv4 and with IPv6: every process listens on
// all addresses of its host and tells others one. The leader is lost on the way.
func TestListenOnAllAndAdvertiseOne(t *testing.T) {
	t.Parallel()
	for name, addresses := range map[string][]string{
		"IPv4": {"/24", "10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5"},
		"IPv6": {"/64", "fd00:8::1", "fd00:8::2", "fd00:8::3", "fd00:8::4", "fd00:8::5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(newLab(t), addresses[0], addresses[1:]...)
			c.startAll()
			was := c.leader()
			was.kill()
			c.submits()
			c.startMaster(was)
			c.works()
		})
	}
}

// TestAnAddressForAllIsNotAdvertised: it means something to who listens, and nothing
// to others. The refusal names what to set, and an address of this host to set it to.
func TestAnAddressForAllIsNotAdvertised(t *testing.T) {
	t.Parallel()
	h := newLab(t).host("m1", "10.8.0.1/24")
	for name, c := range map[string]struct {
		command []string
		want    []string
	}{
		"Raft": {
			[]string{"master", "--id", "m1", "--data", t.TempDir(), "--bootstrap", "--raft-listen", "0.0.0.0:7101", "--api-listen", "10.8.0.1:8101"},
			[]string{"--raft-listen", "0.0.0.0:7101", "--raft-advertise", "10.8.0.1:7101"},
		},
		"the API": {
			[]string{"master", "--id", "m1", "--data", t.TempDir(), "--bootstrap", "--raft-listen", "10.8.0.1:7101", "--api-listen", "[::]:8101"},
			[]string{"--api-listen", "[::]:8101", "--api-advertise", "http://10.8.0.1:8101"},
		},
		"a slave": {
			[]string{"slave", "--name", "s", "--listen", ":9101", "--masters", "http://10.8.0.1:8101"},
			[]string{"--listen", ":9101", "--advertise", "http://10.8.0.1:9101"},
		},
		"said outright": {
			[]string{"slave", "--name", "s", "--listen", ":9101", "--advertise", "http://0.0.0.0:9101", "--masters", "http://10.8.0.1:8101"},
			[]string{"--advertise", "0.0.0.0:9101", "http://10.8.0.1:9101"},
		},
	} {
		_, errs, code := h.run(append([]string{binary}, c.command...)...)
		if code != 2 {
			t.Errorf("%s: exit code %d, want 2", name, code)
		}
		for _, word := range c.want {
			if !strings.Contains(errs, word) {
				t.Errorf("%s: %q is missing in: %s", name, word, errs)
			}
		}
	}
}

// TestNamesOutliveAddresses: masters and slaves know each other by names, and what
// the names mean changes while all of them run.
func TestNamesOutliveAddresses(t *testing.T) {
	t.Parallel()
	c := newCluster(newLab(t), "/24", "10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5")
	ips := map[string]string{}
	for _, m := range append(c.masters[:3:3], c.slaves...) {
		ips[m.name], m.at = m.at, m.name+".muster.test"
	}
	publish := func() {
		var names strings.Builder
		for name, ip := range ips {
			names.WriteString(ip + " " + name + ".muster.test\n")
		}
		for _, h := range c.hosts {
			h.resolve(names.String())
		}
	}
	publish()
	c.startAll()
	move := func(m *machine, ip string) {
		m.readdress(ip + "/24")
		ips[m.name] = ip
		publish()
	}
	move(c.follower(), "10.8.0.12")
	c.works()
	move(c.leader(), "10.8.0.11")
	c.works()
	move(c.slaves[0], "10.8.0.14")
	c.works()
	c.leader().kill()
	c.submits() // what moved is half of the majority
}

// TestAMasterWithAnotherIP is started with the new one, and everybody knows. So is a
// slave.
func TestAMasterWithAnotherIP(t *testing.T) {
	t.Parallel()
	c := newCluster(newLab(t), "/24", "10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5")
	c.startAll()
	m := c.follower()
	m.kill()
	m.readdress("10.8.0.12/24")
	m.at = "10.8.0.12"
	c.startMaster(m, "--masters", c.list())
	c.noted(m)
	c.asked = c.urls()
	c.works()

	s := c.slaves[0]
	s.kill()
	s.readdress("10.8.0.14/24")
	s.at = "10.8.0.14"
	c.startSlave(s)
	c.works()

	for _, other := range c.masters {
		if other != m {
			other.kill() // one after the other: what moved is half of the majority
			c.submits()
			c.startMaster(other)
			c.works()
		}
	}
}

// TestAllMastersWithOtherIPs: with the new list they find each other, note the
// addresses, and need no list any more.
func TestAllMastersWithOtherIPs(t *testing.T) {
	t.Parallel()
	c := newCluster(newLab(t), "/24", "10.8.0.1", "10.8.0.2", "10.8.0.3", "10.8.0.4", "10.8.0.5")
	c.startAll()
	for _, m := range c.masters {
		m.kill()
		m.at = strings.Replace(m.at, "10.8.0.", "10.8.0.1", 1)
		m.readdress(m.at + "/24")
	}
	c.slaves[0].kill()
	c.startAll()
	for _, m := range c.masters {
		c.noted(m)
	}
	for _, m := range c.masters {
		m.kill()
		c.startMaster(m)
	}
	c.works()
}
