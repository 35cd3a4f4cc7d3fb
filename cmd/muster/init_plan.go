package main

import (
	"context"
	"fmt"
	"net"
	"net/url"

	"muster/cmd/app"
)

// masterInit are the flags of init master.
type masterInit struct {
	initFlags

	id        string
	data      string
	bootstrap bool
	join      []string
}

// smallMemory is where the default of retention-bytes, 1 GiB, is more than a
// quarter of the machine's memory.
const smallMemory = 4 << 30

// plan finds out what the flags leave open.
func (f *masterInit) plan(ctx context.Context, m machine) (plan, error) {
	pl := newPlan("master")
	list, err := founderEntries(f.masters)
	if err != nil {
		return pl, err
	}
	join, err := masterURLs("join", f.join)
	if err != nil {
		return pl, err
	}
	if err := newIDs(app.MasterConfig{ID: f.id, Masters: list}); err != nil {
		return pl, err
	}
	id := f.id
	if id == "" {
		id = nodeName(m.host, "m1")
	}
	given, err := f.host()
	if err != nil {
		return pl, err
	}
	var self app.Peer
	if len(list) > 0 {
		if self, err = m.itself(ctx, list, f.id); err != nil {
			return pl, err
		}
		if id = self.ID; given != "" && given != hostOf(self.RaftAddress) {
			return pl, usagef("--advertise says %s, and --masters that %s is at %s; leave --advertise out", given, id, self.RaftAddress)
		}
	}
	pl.values["id"] = id
	if f.id == "" && self.ID == "" {
		pl.notes["id"] = []string{"From the name of the host. No two masters may have the same."}
	}
	pl.values["data"] = f.data
	if f.data == "" {
		pl.values["data"] = m.dataDirectory()
	}
	pl.address(ctx, m, given, self, peersOf(list, self, join))
	pl.ways(f.bootstrap, join, list, id)
	if m.memory > 0 {
		pl.notes["retention-bytes"] = []string{fmt.Sprintf("This machine has %.1f GiB of memory.", float64(m.memory)/(1<<30))}
	}
	if m.memory > 0 && m.memory < smallMemory {
		pl.values["retention-bytes"] = bareWord(fmt.Sprint(m.memory / 4))
		pl.notes["retention-bytes"] = append(pl.notes["retention-bytes"], "This is a quarter of it. Give all masters the same, that of the smallest.")
	}
	return pl, nil
}

// peersOf are the hosts of the other masters.
func peersOf(list []app.Peer, self app.Peer, join []string) []string {
	var hosts []string
	for _, p := range list {
		if p.ID != self.ID {
			hosts = append(hosts, hostOf(p.RaftAddress))
		}
	}
	for _, raw := range join {
		hosts = append(hosts, hostOfURL(raw))
	}
	return hosts
}

// address plans where the master listens and how it is reached: as self says, if
// a list of masters does.
func (pl *plan) address(ctx context.Context, m machine, given string, self app.Peer, others []string) {
	raft, api := raftPort, apiPort
	var c choice
	if self.ID == "" {
		c = m.choose(ctx, given, others)
		self.RaftAddress = net.JoinHostPort(c.host, raft)
		self.APIURL = "http://" + net.JoinHostPort(c.host, api)
	} else {
		host := hostOf(self.RaftAddress)
		c = choice{host: host, listen: m.listenFor(host), notes: m.alternatives(host, "it is so in masters")}
		_, raft, _ = net.SplitHostPort(self.RaftAddress)
		if u, err := url.Parse(self.APIURL); err == nil && u.Port() != "" {
			api = u.Port() // without one there is a proxy in front
		}
	}
	pl.values["raft-listen"] = net.JoinHostPort(c.listen, raft)
	pl.values["raft-advertise"] = self.RaftAddress
	pl.values["api-listen"] = net.JoinHostPort(c.listen, api)
	pl.values["api-advertise"] = self.APIURL
	pl.noteHost("raft-advertise", c)
	pl.noteListen(ctx, m, "raft-listen", net.JoinHostPort(c.listen, raft))
	pl.noteListen(ctx, m, "api-listen", net.JoinHostPort(c.listen, api))
}

// ways plans how the master gets its cluster, or says that it must be decided.
func (pl *plan) ways(bootstrap bool, join []string, list []app.Peer, id string) {
	own := fmt.Sprintf("%s=%s=%s", id, pl.values["raft-advertise"], pl.values["api-advertise"])
	switch {
	case bootstrap:
		pl.values["bootstrap"] = true
	case len(join) > 0:
		pl.values["join"] = join
	case len(list) > 0:
		var entries []string
		for _, p := range list {
			entries = append(entries, fmt.Sprintf("%s=%s=%s", p.ID, p.RaftAddress, p.APIURL))
		}
		pl.values["masters"] = entries
	default:
		pl.notes["bootstrap"] = []string{
			"TO BE DECIDED: how this master gets its cluster. Uncomment one of these three:",
			"- bootstrap: the first master of a new cluster, or one alone",
			"- join: it comes to a cluster that is there",
			"- masters: a new cluster of several; write the same list into the file of each",
		}
		pl.examples["bootstrap"] = true
		pl.examples["join"] = []string{"http://OTHER-MASTER:" + apiPort}
		pl.examples["masters"] = []string{own, "m2=HOST-2:7101=http://HOST-2:8101", "m3=HOST-3:7101=http://HOST-3:8101"}
		pl.told = append(pl.told, "how this master gets its cluster is to be decided: see bootstrap, join and masters in the file")
	}
}

// slaveInit are the flags of init slave.
type slaveInit struct {
	initFlags

	name string
}

// plan finds out what the flags leave open.
func (f *slaveInit) plan(ctx context.Context, m machine) (plan, error) {
	pl := newPlan("slave")
	masters, err := masterURLs("masters", f.masters)
	if err != nil {
		return pl, err
	}
	given, err := f.host()
	if err != nil {
		return pl, err
	}
	if err := nameOf("name", f.name); err != nil {
		return pl, err
	}
	pl.values["name"] = f.name
	if f.name == "" {
		pl.values["name"] = nodeName(m.host, "slave-1")
		pl.notes["name"] = []string{"From the name of the host. No two slaves may have the same."}
	}
	if len(masters) > 0 {
		pl.values["masters"] = masters
		pl.noteMasters(ctx, m, masters)
	} else {
		pl.notes["masters"] = []string{"Write the masters here, unless one runs on this machine."}
	}
	c := m.choose(ctx, given, peersOf(nil, app.Peer{}, masters))
	listen := net.JoinHostPort(c.listen, slavePort)
	pl.values["listen"] = listen
	pl.values["advertise"] = "http://" + net.JoinHostPort(c.host, slavePort)
	pl.noteHost("advertise", c)
	pl.noteListen(ctx, m, "listen", listen)
	pl.values["slots"] = max(1, min(m.cores, app.MaxSlots))
	pl.notes["slots"] = []string{"One for each core of this machine."}
	return pl, nil
}

// noteMasters tells if no master answers.
func (pl *plan) noteMasters(ctx context.Context, m machine, urls []string) {
	results := make(chan error, len(urls))
	for _, u := range urls {
		go func() { results <- m.asked(ctx, u) }()
	}
	var last error
	answered := 0
	for range urls {
		if err := <-results; err != nil {
			last = err
		} else {
			answered++
		}
	}
	if answered == 0 {
		pl.told = append(pl.told, fmt.Sprintf("masters: none of them answers now; the slave goes on trying when it runs (%v)", last))
	}
}

// host is what --advertise says, without brackets; empty if it says nothing.
func (f *initFlags) host() (string, error) {
	if f.advertise == "" {
		return "", nil
	}
	host, err := bareHost(f.advertise)
	if err != nil {
		return "", usagef("--advertise %q is not a host name or an IP; it takes no port and no http://", f.advertise)
	}
	return host, nil
}
