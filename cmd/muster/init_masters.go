package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"muster/cmd/app"
)

// founderEntries reads --masters of init master: ID=RAFT=URL as muster master
// takes it, or a host, with ID= before it or without. Hosts get the usual ports,
// and those without an id m1, m2 … by their place.
func founderEntries(list []string) ([]app.Peer, error) {
	full := make([]string, len(list))
	for i, entry := range list {
		entry = strings.TrimSpace(entry)
		if strings.Count(entry, "=") >= 2 { // in full
			full[i] = entry
			continue
		}
		id, host, named := strings.Cut(entry, "=")
		if !named {
			id, host = fmt.Sprintf("m%d", i+1), entry
		}
		host, err := bareHost(host)
		if err != nil || id == "" {
			return nil, usagef("--masters has %q; each master is a host (10.0.0.1), ID=HOST (m1=10.0.0.1), or ID=RAFT-HOST:PORT=API-URL if its ports are not %s and %s",
				entry, raftPort, apiPort)
		}
		full[i] = fmt.Sprintf("%s=%s=http://%s", id, net.JoinHostPort(host, raftPort), net.JoinHostPort(host, apiPort))
	}
	return founders(full)
}

// bareHost wants a host alone, and takes IPv6 with and without brackets.
func bareHost(text string) (string, error) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text = strings.TrimSuffix(inner, "]")
	}
	if ip, err := netip.ParseAddr(text); err == nil {
		return ip.String(), nil
	}
	if text == "" || strings.ContainsAny(text, ":/@ []") {
		return "", usagef("%q is not a host", text)
	}
	return text, nil
}

// masterURLs reads --masters of init slave and --join of init master: URLs, or
// hosts, with a port or without.
func masterURLs(flag string, list []string) ([]string, error) {
	full := make([]string, len(list))
	for i, entry := range list {
		entry = strings.TrimSpace(entry)
		full[i] = entry
		if strings.Contains(entry, "://") {
			continue
		}
		if host, err := bareHost(entry); err == nil {
			full[i] = "http://" + net.JoinHostPort(host, apiPort)
		} else if _, _, err := net.SplitHostPort(entry); err == nil {
			full[i] = "http://" + entry
		}
	}
	return mastersURLs(flag, full)
}

// itself finds which of the founders this machine is: the one with the id, if it
// was given; else the one at an address or the name of this machine.
func (m machine) itself(ctx context.Context, list []app.Peer, id string) (app.Peer, error) {
	var found, all []string
	var self app.Peer
	for _, p := range list {
		all = append(all, p.ID)
		if id != "" && p.ID == id {
			return p, nil
		}
		if id == "" && m.is(ctx, hostOf(p.RaftAddress)) {
			self = p
			found = append(found, p.ID)
		}
	}
	switch {
	case id != "":
		return app.Peer{}, usagef("--masters does not name %q (--id), only %s; the list names all founding masters, this one too", id, strings.Join(all, ", "))
	case len(found) == 0:
		return app.Peer{}, usagef("none of --masters has an address or the name of this machine (%s); say with --id which of %s it is",
			m.itselfIn(), strings.Join(all, ", "))
	case len(found) > 1:
		return app.Peer{}, usagef("%s of --masters are all this machine; say with --id which of them this one is", strings.Join(found, " and "))
	}
	return self, nil
}

// is reports whether a host is this machine.
func (m machine) is(ctx context.Context, host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return m.has(ip)
	}
	short, _, dotted := strings.Cut(m.host, ".")
	first, _, _ := strings.Cut(host, ".")
	if m.host != "" && (strings.EqualFold(host, m.host) || !dotted && strings.EqualFold(first, m.host) || strings.EqualFold(host, short)) {
		return true
	}
	ips, err := m.resolve(ctx, host)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(ips, m.has)
}

// itselfIn is what this machine looked for, for people.
func (m machine) itselfIn() string {
	words := []string{or(m.host)}
	for _, a := range m.addresses {
		words = append(words, a.ip.String())
	}
	return strings.Join(words, ", ")
}
